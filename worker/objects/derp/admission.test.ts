import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { nodeKeyOf } from "../../protocol/keys.ts";
import { Admission } from "./admission.ts";

const key = nodeKeyOf(new Uint8Array(32).fill(1));
const other = nodeKeyOf(new Uint8Array(32).fill(2));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("keeps a yes for a minute, for its tailnet and its key alone", async () => {
  const ask = vi.fn(async () => true);
  const admission = new Admission(ask);
  for (let i = 0; i < 3; i++) expect(await admission.allows("a", key)).toBe(true);
  expect(ask.mock.calls).toEqual([["a", key]]);
  await admission.allows("a", other);
  await admission.allows("b", key);
  expect(ask).toHaveBeenCalledTimes(3);
  vi.setSystemTime(Date.now() + 60_000);
  await admission.allows("a", other);
  expect(ask).toHaveBeenCalledTimes(4);
});

test("never keeps a no", async () => {
  const answers = [false, true];
  const admission = new Admission(async () => answers.shift() ?? false);
  expect(await admission.allows("a", key)).toBe(false);
  expect(await admission.allows("a", key)).toBe(true);
});

test("asks again after a revocation", async () => {
  const answers = [true, false];
  const admission = new Admission(async () => answers.shift() ?? true);
  expect(await admission.allows("a", key)).toBe(true);
  admission.revoke(key);
  expect(await admission.allows("a", key)).toBe(false);
});

test("does not trust a yes that a revocation has overtaken", async () => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const answers = [promise, Promise.resolve(false)];
  const admission = new Admission(() => answers.shift() ?? Promise.resolve(true));
  const asked = admission.allows("a", key);
  admission.revoke(key);
  resolve(true);
  expect(await asked).toBe(false);
  expect(await admission.allows("a", key)).toBe(true);
});

test("passes on that the tailnet cannot be asked, and keeps nothing", async () => {
  const admission = new Admission(vi.fn().mockRejectedValueOnce(new Error("down")).mockResolvedValue(true));
  await expect(admission.allows("a", key)).rejects.toThrow("down");
  expect(await admission.allows("a", key)).toBe(true);
});
