// What scripts may rely on: `npm start -- --json` and its end (README.md, `npm start -- --help`).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";

const READY_FIELDS = ["apiToken", "apiUrl", "authKey", "controlUrl", "pids", "workerUrl"];

interface Ready {
  readonly controlUrl: string;
  readonly workerUrl: string;
  readonly apiUrl: string;
  readonly authKey: string;
  readonly apiToken: string;
  readonly pids: readonly number[];
}

interface Run {
  readonly npm: ChildProcess;
  readonly stdout: Promise<string>;
  readonly stderr: Promise<string>;
  readonly ended: Promise<unknown[]>;
}

let folder: string;
const runs: Run[] = [];

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "flarescale-start-"));
});

afterAll(async () => {
  for (const { npm } of runs) npm.kill("SIGTERM");
  await Promise.all(runs.map(({ ended }) => ended));
  rmSync(folder, { recursive: true });
});

function start(state: string): Run {
  const ports = ["--http-port=0", "--https-port=0", "--worker-port=0", "--stun-port=0"];
  const args = ["start", "--silent", "--", "--json", `--state=${path.join(folder, state)}`, ...ports];
  const npm = spawn("npm", args, { stdio: ["ignore", "pipe", "pipe"] });
  const run = { npm, stdout: text(npm.stdout), stderr: text(npm.stderr), ended: once(npm, "exit") };
  runs.push(run);
  return run;
}

/** What a run prints when it is ready. */
async function ready({ npm }: Run): Promise<Ready> {
  const [line] = await once(npm.stdout as NonNullable<ChildProcess["stdout"]>, "data");
  return JSON.parse(String(line)) as Ready;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function devices({ apiUrl, apiToken }: Ready): Promise<number> {
  const response = await fetch(`${apiUrl}/api/v2/tailnet/-/devices`, {
    headers: { authorization: `Bearer ${apiToken}` },
  });
  return response.status;
}

test("prints one line of JSON when all is ready, and ends everything on SIGTERM", async () => {
  const run = start("one");
  const answer = await ready(run);
  expect(Object.keys(answer).sort()).toEqual(READY_FIELDS);
  expect(answer.authKey).toMatch(/^tskey-auth-/);
  expect(answer.pids.map(isAlive)).toEqual([true, true]);
  expect((await fetch(`${answer.controlUrl}/key?v=142`)).status).toBe(200);
  expect((await fetch(`${answer.workerUrl}/key?v=142`)).status).toBe(200);
  expect(await devices(answer)).toBe(200);

  run.npm.kill("SIGTERM");
  expect(await run.ended).toEqual([0, null]);
  expect(answer.pids.map(isAlive)).toEqual([false, false]);
  expect((await run.stdout).trimEnd().split("\n")).toHaveLength(1);
});

test("continues a second time where the first one stopped, and ends on SIGINT", async () => {
  const first = start("two");
  const before = await ready(first);
  first.npm.kill("SIGTERM");
  await first.ended;

  const second = start("two");
  const after = await ready(second);
  expect(after.apiToken).toBe(before.apiToken);
  expect(after.authKey).not.toBe(before.authKey);
  expect(await devices(after)).toBe(200);
  second.npm.kill("SIGINT");
  expect(await second.ended).toEqual([0, null]);
  expect(after.pids.filter(isAlive)).toEqual([]);
});

test("recovers when it died before the Worker heard of the first administrator", async () => {
  const first = start("lost");
  const before = await ready(first);
  first.npm.kill("SIGTERM");
  await first.ended;
  // As a start leaves the folder that wrote the token down and died before the Worker had it.
  const lost = path.join(folder, "lost");
  rmSync(path.join(lost, "worker"), { recursive: true });
  const second = start("lost");
  const after = await ready(second);
  expect(after.apiToken).toBe(before.apiToken);
  expect(await devices(after)).toBe(200);
  second.npm.kill("SIGTERM");
  await second.ended;
});

test("refuses a state folder that another start uses", async () => {
  const first = start("three");
  await ready(first);
  const second = start("three");
  expect(await second.ended).toEqual([1, null]);
  expect(await second.stderr).toContain("in use by process");
  first.npm.kill("SIGTERM");
  await first.ended;
});

test("says which process died, ends the others and fails", async () => {
  const run = start("four");
  const { pids } = await ready(run);
  process.kill(pids[1] ?? 0, "SIGKILL");
  expect(await run.ended).toEqual([1, null]);
  expect(await run.stderr).toMatch(/flarescale: (workerd|gateway) was ended by SIGKILL/);
  expect(pids.filter(isAlive)).toEqual([]);
});
