import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { nodeKeyOf } from "../../protocol/keys.ts";
import { DERP_QUESTIONS_BURST } from "../../protocol/limits.ts";
import { Admission } from "./admission.ts";

const key = nodeKeyOf(new Uint8Array(32).fill(1));
const other = nodeKeyOf(new Uint8Array(32).fill(2));
const yes = { allowed: new Set<string>([key, other]), isComplete: true };
const no = { allowed: new Set<string>(), isComplete: true };
const down = { allowed: new Set<string>(), isComplete: false };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("keeps a yes for a minute, for its key alone", async () => {
  const ask = vi.fn(async () => yes);
  const admission = new Admission(ask, false);
  for (let i = 0; i < 3; i++) expect(await admission.judge(key)).toBe("allowed");
  expect(ask.mock.calls).toEqual([[[key]]]);
  await admission.judge(other);
  expect(ask).toHaveBeenCalledTimes(2);
  vi.setSystemTime(Date.now() + 60_000);
  await admission.judge(key);
  expect(ask).toHaveBeenCalledTimes(3);
});

test("never keeps a no", async () => {
  const answers = [no, yes];
  const admission = new Admission(async () => answers.shift() ?? no, false);
  expect(await admission.judge(key)).toBe("refused");
  expect(await admission.judge(key)).toBe("allowed");
});

test("asks again after a revocation", async () => {
  const answers = [yes, no];
  const admission = new Admission(async () => answers.shift() ?? yes, false);
  expect(await admission.judge(key)).toBe("allowed");
  admission.revoke(key);
  expect(await admission.judge(key)).toBe("refused");
});

test("does not trust a yes that a revocation has overtaken", async () => {
  const { promise, resolve } = Promise.withResolvers<typeof yes>();
  const answers = [promise, Promise.resolve(no)];
  const admission = new Admission(() => answers.shift() ?? Promise.resolve(yes), false);
  const asked = admission.judge(key);
  admission.revoke(key);
  resolve(yes);
  expect(await asked).toBe("refused");
  expect(await admission.judge(key)).toBe("allowed");
});

test("does not decide while a tailnet cannot be asked, and keeps nothing", async () => {
  const answers = [down, yes];
  const admission = new Admission(async () => answers.shift() ?? no, false);
  expect(await admission.judge(key)).toBe("unknown");
  expect(await admission.judge(key)).toBe("allowed");
});

test("lets everybody in when the relay is open, and asks nobody", async () => {
  const ask = vi.fn(async () => no);
  const admission = new Admission(ask, true);
  expect(await admission.judge(key)).toBe("allowed");
  expect(await admission.recheck([key])).toEqual([]);
  expect(ask).not.toHaveBeenCalled();
});

test("asks about so many made-up keys and no more, until time has passed", async () => {
  const ask = vi.fn(async () => no);
  const admission = new Admission(ask, false);
  const made = (i: number) => nodeKeyOf(new Uint8Array(32).fill(i, 0, 1).fill(i >> 8, 1, 2));
  for (let i = 0; i < DERP_QUESTIONS_BURST; i++) expect(await admission.judge(made(i))).toBe("refused");
  expect(await admission.judge(key)).toBe("unknown");
  expect(ask).toHaveBeenCalledTimes(DERP_QUESTIONS_BURST);
  vi.setSystemTime(Date.now() + 1000);
  expect(await admission.judge(key)).toBe("refused");
});

test("names those who lost their permission unnoticed, but nobody while a tailnet is down", async () => {
  const answers = [{ allowed: new Set<string>([other]), isComplete: true }, down];
  const admission = new Admission(async () => answers.shift() ?? yes, false);
  expect(await admission.recheck([key, other])).toEqual([key]);
  expect(await admission.recheck([key, other])).toEqual([]);
});
