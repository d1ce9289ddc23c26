// A child process of a test: its output goes to a log file that can be searched, it ends with its parent whatever
// happens to that (Linux PR_SET_PDEATHSIG, set by setpriv), and it is stopped gently before it is killed.
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, closeSync, openSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Environment, minimalEnvironment } from "./command.ts";
import type { Namespace } from "./netns.ts";
import { logFile } from "./run.ts";
import { GaveUp, type UntilOptions, until } from "./until.ts";

/** What to start and how. */
export interface ChildOptions {
  /** Name of the log file and in messages. */
  readonly name: string;
  readonly command: readonly string[];
  /** Added to a minimal environment; nothing else of the test's own environment is passed on. */
  readonly env?: Environment;
  readonly cwd?: string;
  readonly namespace?: Namespace | undefined;
  /** Receives standard output line by line; without it standard output goes to the log. */
  readonly onLine?: (line: string) => void;
  /** Sent to the child when the test process dies; TERM suits a child with children of its own. */
  readonly deathSignal?: "KILL" | "TERM";
}

/** How a child ended: an exit code, or the signal that ended it. */
export type Exit = { readonly code: number | null; readonly signal: string | null };

/** A running (or ended) child process. */
export class Child {
  readonly name: string;
  readonly logPath: string;
  /** Settles when the process has ended, never rejects. */
  readonly exited: Promise<Exit>;
  #exit: Exit | undefined;
  #process: ChildProcess;

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.logPath = logFile(options.name);
    const argv = options.namespace?.command(options.command) ?? options.command;
    const log = openSync(this.logPath, "a");
    this.#process = spawn("setpriv", ["--pdeathsig", options.deathSignal ?? "KILL", "--", ...argv], {
      cwd: options.cwd ?? "/",
      env: { ...minimalEnvironment(), ...options.env },
      stdio: ["pipe", options.onLine ? "pipe" : log, log],
    });
    closeSync(log);
    this.#process.stdin?.on("error", () => {}); // a child that has ended reads no more
    if (options.onLine && this.#process.stdout) {
      createInterface({ input: this.#process.stdout }).on("line", options.onLine);
    }
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit) => {
        this.#exit = exit;
        resolve(exit);
      };
      this.#process.once("exit", (code, signal) => end({ code, signal }));
      this.#process.once("error", (error) => {
        appendFileSync(this.logPath, `could not be started: ${error.message}\n`);
        end({ code: null, signal: null });
      });
    });
  }

  /** Process id, the program's own: everything before it in the command execs. */
  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error(`${this.name} was not started`);
    return pid;
  }

  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** Everything it wrote to standard error (and standard output, unless that is read by line). */
  log(): string {
    return readFileSync(this.logPath, "utf8");
  }

  /** Lines of the log that match. */
  logLines(pattern: RegExp): string[] {
    return this.log()
      .split("\n")
      .filter((line) => pattern.test(line));
  }

  /** Writes one line to its standard input. */
  send(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** Like `until`, but gives up with the end of the log as soon as the process ends. */
  async until<T>(what: string, look: () => T | Promise<T>, options?: UntilOptions) {
    return until(`${this.name}: ${what}`, () => this.#orGiveUp(look), options);
  }

  /** Ends it with SIGTERM, or SIGKILL when that does not help in time; returns how it ended. */
  async stop(graceMs = 30_000): Promise<Exit> {
    if (this.isRunning) {
      this.#process.kill("SIGTERM");
      await Promise.race([this.exited, sleep(graceMs, undefined, { ref: false })]);
    }
    return this.kill();
  }

  /** Ends it at once, as a power cut would. */
  async kill(): Promise<Exit> {
    if (this.isRunning) this.#process.kill("SIGKILL");
    return this.exited;
  }

  async #orGiveUp<T>(look: () => T | Promise<T>): Promise<T> {
    if (this.#exit) {
      const tail = this.log().split("\n").slice(-30).join("\n");
      throw new GaveUp(`${this.name} has ended (${JSON.stringify(this.#exit)}); the end of its log:\n${tail}`);
    }
    return look();
  }
}

/** Whether a process runs; one that has ended and that nobody has waited for yet does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
