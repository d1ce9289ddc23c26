// The processes of a stack: started, watched and ended together, by their ids. What they print goes to standard error,
// so that standard output stays free for whoever asked for JSON.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/**
 * How long a process may take to end after SIGTERM before it is killed. workerd always takes that long while clients are
 * connected, because it waits for their sockets to end; force loses nothing, since what it has answered is on disk.
 */
const STOP_TIMEOUT_MS = 3_000;

/** What to run, and on which descriptor it writes the line that says it is ready. */
export interface Command {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly readyOn: "stdout" | "descriptor-3";
}

/** Processes that live and end together. */
export class ProcessGroup {
  /** Settles when one of the processes ends although nobody asked it to, with a phrase that says which and how. */
  readonly failure: Promise<string>;
  readonly #reportFailure: (what: string) => void;
  readonly #children = new Map<ChildProcess, Promise<string>>();
  #isStopping = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.failure = promise;
    this.#reportFailure = resolve;
  }

  /** Ids of the processes that are running. */
  get pids(): number[] {
    return [...this.#children.keys()].flatMap((child) => child.pid ?? []);
  }

  /** Starts a process and waits for its first line, which is the result. @throws when it ends before that. */
  async start(command: Command): Promise<string> {
    if (this.#isStopping) throw new Error(`${command.name} was not started: stopping`);
    const onStdout = command.readyOn === "stdout";
    const child = spawn(command.file, command.args, {
      env: { ...process.env, ...command.env },
      stdio: onStdout ? ["ignore", "pipe", 2] : ["ignore", 2, 2, "pipe"],
    });
    const ended = this.#watch(child, command.name);
    await once(child, "spawn");
    const line = firstLine(child.stdio[onStdout ? 1 : 3] as Readable);
    const tooEarly = ended.then((how) => Promise.reject(new Error(`${how} before it was ready`)));
    return Promise.race([line, tooEarly]);
  }

  /** Ends every process, by force after three seconds; returns when all are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      [...this.#children].map(async ([child, ended]) => {
        child.kill("SIGTERM");
        const force = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
        await ended;
        clearTimeout(force);
      }),
    );
  }

  #watch(child: ChildProcess, name: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    child.once("error", (error) => resolve(`${name} could not be run (${error.message})`));
    child.once("exit", (code, signal) =>
      resolve(`${name} ${signal ? `was ended by ${signal}` : `exited with ${code}`}`),
    );
    this.#children.set(child, promise);
    return promise.then((how) => {
      this.#children.delete(child);
      if (!this.#isStopping) this.#reportFailure(how);
      return how;
    });
  }
}

/** Resolves with the first line; everything after it is passed on to standard error. */
function firstLine(output: Readable): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  output.setEncoding("utf8");
  output.on("data", function read(chunk: string): void {
    text += chunk;
    const end = text.indexOf("\n");
    if (end < 0) return;
    output.off("data", read);
    process.stderr.write(text.slice(end + 1));
    output.pipe(process.stderr, { end: false });
    resolve(text.slice(0, end));
  });
  return promise;
}
