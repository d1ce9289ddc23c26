import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { execute } from "./execute.ts";

const shell = (script: string, timeLimitMinutes = 1) =>
  execute({ command: "sh", args: ["-c", script], timeLimitMinutes, show: false });

/** Whether a process runs; one that has ended and that nobody has waited for does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test("collects both streams and tells success from failure", async () => {
  expect(await shell("echo out; echo err >&2")).toEqual({
    ok: true,
    output: expect.stringMatching(/^(out\nerr|err\nout)\n$/),
  });
  expect((await shell("exit 1")).ok).toBe(false);
});

test("keeps tools from talking to the outside", async () => {
  const { output } = await shell("echo $CLOUDFLARE_CF_FETCH_ENABLED $WRANGLER_SEND_METRICS");
  expect(output).toBe("false false\n");
});

test("ends a command whose time is up, with what it started", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "flarescale-execute-"));
  const survivor = path.join(folder, "pid");
  const { ok, output } = await shell(`sleep 300 & echo $! >${survivor}; wait`, 0.02);
  expect(ok).toBe(false);
  expect(output).toContain("ended after");
  const pid = Number(readFileSync(survivor, "utf8"));
  await expect.poll(() => isAlive(pid)).toBe(false);
  rmSync(folder, { recursive: true });
});
