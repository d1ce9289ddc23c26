import { expect, test } from "vitest";
import { Http2ErrorCode } from "../errors.ts";
import { HTTP2_FLOOD_WINDOW_MS, HTTP2_MAX_PINGS } from "../limits.ts";
import { count, noFlood } from "./flood.ts";

const NOW = 1_700_000_000_000;

test("refuses the frame after the maximum", () => {
  const counts = noFlood();
  for (let i = 0; i < HTTP2_MAX_PINGS; i++) count(counts, "pings", NOW + i);
  expect(() => count(counts, "pings", NOW + HTTP2_FLOOD_WINDOW_MS - 1)).toThrow(
    expect.objectContaining({ http2: Http2ErrorCode.ENHANCE_YOUR_CALM }),
  );
});

test("starts again after the window", () => {
  const counts = noFlood();
  for (let i = 0; i < HTTP2_MAX_PINGS; i++) count(counts, "pings", NOW);
  count(counts, "pings", NOW + HTTP2_FLOOD_WINDOW_MS);
  expect(counts).toEqual({ ...noFlood(), since: NOW + HTTP2_FLOOD_WINDOW_MS, pings: 1 });
});

test("counts each kind by itself", () => {
  const counts = noFlood();
  for (let i = 0; i < HTTP2_MAX_PINGS; i++) count(counts, "pings", NOW);
  count(counts, "resets", NOW);
  expect(counts).toMatchObject({ pings: HTTP2_MAX_PINGS, resets: 1, settings: 0, emptyData: 0 });
});
