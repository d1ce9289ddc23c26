// The folder in which a stack keeps everything: the Worker's databases, the gateway's certificate, the credentials of
// the first administrator, the generated bundle and configuration. One stack at a time may use it: two workerd
// processes on one set of databases would lose data, so the folder names the processes that hold it.
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Places inside a state folder; all absolute. */
export interface StateFolder {
  readonly root: string;
  readonly bundle: string;
  readonly config: string;
  readonly worker: string;
  readonly gateway: string;
}

/** What lets its holder administer the tailnet; only the owner of the folder may read it. */
export interface Credentials {
  /** Allows the creation of the first administrator, once. */
  readonly bootstrapSecret: string;
  /** Token of that administrator; kept before the Worker hears of it. */
  readonly apiToken?: string;
}

/** Makes the folder when it is missing, readable by its owner alone. */
export function openStateFolder(root: string): StateFolder {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  return {
    root,
    bundle: path.join(root, "worker.js"),
    config: path.join(root, "workerd.capnp"),
    worker: path.join(root, "worker"),
    gateway: path.join(root, "gateway"),
  };
}

/** Takes the folder for this process; call {@link holdFolder} again with the ids of what it started.
 *  @throws when a process that is still alive holds it. */
export function claimFolder(folder: StateFolder): void {
  const holder = heldBy(folder).find(isAlive);
  if (holder !== undefined) {
    throw new Error(
      `${folder.root} is in use by process ${holder}: stop that one first, or choose another folder with --state`,
    );
  }
  holdFolder(folder, [process.pid]);
}

/** Names the processes that hold the folder. */
export function holdFolder(folder: StateFolder, pids: readonly number[]): void {
  writeFileSync(lockFile(folder), JSON.stringify(pids));
}

/** Gives the folder up. */
export function releaseFolder(folder: StateFolder): void {
  rmSync(lockFile(folder), { force: true });
}

/** The credentials kept in the folder; a new secret when there are none yet. */
export function readCredentials(folder: StateFolder): Credentials {
  const kept = readJson<Credentials>(credentialsFile(folder));
  if (kept) return kept;
  const fresh = { bootstrapSecret: randomBytes(32).toString("base64url") };
  writeCredentials(folder, fresh);
  return fresh;
}

/** Keeps the credentials. */
export function writeCredentials(folder: StateFolder, credentials: Credentials): void {
  // In one step: a process that dies while it writes must not leave half a file in place of a whole one.
  const temporary = `${credentialsFile(folder)}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, credentialsFile(folder));
}

/** The file that the credentials are in, to tell a person. */
export function credentialsFile(folder: StateFolder): string {
  return path.join(folder.root, "credentials.json");
}

function lockFile(folder: StateFolder): string {
  return path.join(folder.root, "processes.json");
}

function heldBy(folder: StateFolder): readonly number[] {
  return readJson<number[]>(lockFile(folder)) ?? [];
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`cannot read ${file}`, { cause: error });
  }
}

/** Whether the process lives and is one of ours: ids are reused, and Linux tells what a process runs. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== "linux") return true;
  try {
    return /workerd|agent\/main|scripts\//.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch {
    return false; // it ended between the two looks
  }
}
