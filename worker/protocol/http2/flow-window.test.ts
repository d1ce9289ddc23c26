import { expect, test } from "vitest";
import { Http2ErrorCode } from "../errors.ts";
import { HTTP2_WINDOW_RETURN } from "../limits.ts";
import { grow, growOrThrow, isReturnDue } from "./flow-window.ts";

test("grows a window up to 2^31 − 1", () => {
  expect(grow(0, 0x7fffffff)).toBe(0x7fffffff);
  expect(grow(1, 0x7fffffff)).toBeUndefined();
  expect(growOrThrow(-5, 10)).toBe(5);
  expect(() => growOrThrow(1, 0x7fffffff)).toThrow(
    expect.objectContaining({ http2: Http2ErrorCode.FLOW_CONTROL_ERROR }),
  );
});

test("lets a window fall below 0", () => {
  expect(grow(100, -65_535)).toBe(-65_435);
});

test("returns a window in steps", () => {
  expect(isReturnDue(HTTP2_WINDOW_RETURN - 1)).toBe(false);
  expect(isReturnDue(HTTP2_WINDOW_RETURN)).toBe(true);
});
