import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { execute } from "./execute.ts";

const shell = (script: string, timeLimitMinutes = 1) =>
  execute({ command: "sh", args: ["-c", script], timeLimitMinutes, show: false });

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
  const survivor = path.join(folder, "survivor");
  const { ok, output } = await shell(`(sleep 0.6; touch ${survivor}) & wait`, 0.005);
  expect(ok).toBe(false);
  expect(output).toContain("ended after");
  await sleep(600);
  expect(existsSync(survivor)).toBe(false);
  rmSync(folder, { recursive: true });
});
