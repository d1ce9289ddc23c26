// What belongs to this run of the tests: the name prefix of everything that outlives a process by mistake (network
// interfaces, namespaces, temporary folders), the folders themselves, and how leftovers of crashed runs are told apart.
//
// The prefix holds the process id in base 36, so a leftover is whatever names a process that no longer lives.
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Prefix of all names that this process gives out; at most 8 characters, because interface names end at 15. */
export const runPrefix = `fs-${process.pid.toString(36)}`;

const scratchRoot = join(tmpdir(), runPrefix);
const logsRoot = resolve(import.meta.dirname, "../../../test-results/e2e");
const logsKeptMs = 24 * 3_600_000;

const sequences = new Map<string, number>();

/** Numbers the names of one kind: 1, 2, 3 … */
export function nextNumber(kind: string): number {
  const next = (sequences.get(kind) ?? 0) + 1;
  sequences.set(kind, next);
  return next;
}

/** Makes a fresh folder for state and sockets, short enough for a socket's path; it is gone when the process ends. */
export function scratchDir(label: string): string {
  if (!existsSync(scratchRoot)) {
    sweepFolders(tmpdir());
    mkdirSync(scratchRoot, { mode: 0o700 });
    process.on("exit", () => rmSync(scratchRoot, { recursive: true, force: true }));
  }
  const dir = join(scratchRoot, `${label}-${nextNumber(`scratch ${label}`)}`);
  mkdirSync(dir);
  return dir;
}

/** Path of a log file that stays after the run, below test-results/e2e/; runs older than a day are removed. */
export function logFile(label: string): string {
  const dir = join(logsRoot, runPrefix);
  if (!existsSync(dir)) {
    mkdirSync(dir, { recursive: true });
    for (const name of readdirSync(logsRoot)) {
      const path = join(logsRoot, name);
      if (Date.now() - statSync(path).mtimeMs > logsKeptMs) rmSync(path, { recursive: true, force: true });
    }
  }
  return join(dir, `${label}-${nextNumber(`log ${label}`)}.log`);
}

/** Whether `name` was given out by a run whose process no longer lives. */
export function isLeftover(name: string): boolean {
  const pid = /^fs-([0-9a-z]+)(?:-|$)/.exec(name)?.[1];
  return pid !== undefined && !existsSync(`/proc/${Number.parseInt(pid, 36)}`);
}

function sweepFolders(parent: string): void {
  for (const name of readdirSync(parent).filter(isLeftover)) {
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}
