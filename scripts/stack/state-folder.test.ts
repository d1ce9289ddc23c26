import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  claimFolder,
  credentialsFile,
  holdFolder,
  openStateFolder,
  readCredentials,
  releaseFolder,
  type StateFolder,
  writeCredentials,
} from "./state-folder.ts";

let parent: string;
let folder: StateFolder;

beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), "flarescale-state-"));
  folder = openStateFolder(path.join(parent, "scripts/state"));
});
afterEach(() => rmSync(parent, { recursive: true }));

test("keeps the folder and the credentials to its owner", () => {
  readCredentials(folder);
  expect(statSync(folder.root).mode & 0o777).toBe(0o700);
  expect(statSync(credentialsFile(folder)).mode & 0o777).toBe(0o600);
});

test("makes one secret and keeps it, with the token once there is one", () => {
  const { bootstrapSecret } = readCredentials(folder);
  expect(bootstrapSecret).toHaveLength(43);
  expect(readCredentials(folder)).toEqual({ bootstrapSecret });
  writeCredentials(folder, { bootstrapSecret, apiToken: "t" });
  expect(readCredentials(folder)).toEqual({ bootstrapSecret, apiToken: "t" });
});

test("does not replace credentials that it cannot read", () => {
  writeFileSync(credentialsFile(folder), "{");
  expect(() => readCredentials(folder)).toThrow("cannot read");
});

test("refuses a folder that a living process holds, and names the process", async () => {
  const holder = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)", "scripts/start.ts"]);
  try {
    await once(holder, "spawn");
    holdFolder(folder, [holder.pid ?? 0]);
    await vi.waitFor(() => expect(() => claimFolder(folder)).toThrow(`in use by process ${holder.pid}`), {
      timeout: 20_000,
    });
  } finally {
    holder.kill("SIGKILL");
  }
});

test("forgets processes that have ended, and what it has given up", () => {
  holdFolder(folder, [2 ** 22 + 1]);
  claimFolder(folder);
  releaseFolder(folder);
  claimFolder(folder);
});
