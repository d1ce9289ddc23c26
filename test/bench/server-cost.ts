// What the server's processes cost, read from /proc: CPU time and resident memory.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** `CLK_TCK`, which Linux fixes at 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
/** A server that uses less than a tick in this time has nothing left to do. */
const QUIET_MS = 150;
const QUIET_AT_LATEST_MS = 5_000;

/** The processes of a server by what they are. */
export interface ServerProcesses {
  readonly server: readonly number[];
  readonly gateways: readonly number[];
}

/** The gateway that all nodes use when nothing else is said: the one of the last way. */
export function usedGateways({ gateways }: ServerProcesses): readonly number[] {
  return gateways.slice(0, 1);
}

/** CPU milliseconds that processes have used, in user and system mode; in steps of 10. */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from field 3 on: the name may hold blanks
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1_000) / TICKS_PER_SECOND;
}

/** Waits until processes have stopped working. @returns the CPU time that they have used by then */
export async function cpuWhenQuiet({ server, gateways }: ServerProcesses): Promise<number> {
  const deadline = Date.now() + QUIET_AT_LATEST_MS;
  let before = cpuMs(server) + cpuMs(gateways);
  for (;;) {
    await sleep(QUIET_MS);
    const now = cpuMs(server) + cpuMs(gateways);
    if (now === before || Date.now() > deadline) return now;
    before = now;
  }
}

/** Resident memory of processes in KB. */
export function residentKb(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) sum += Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  return sum;
}

/** Whether a process is workerd. */
export function isWorkerd(pid: number): boolean {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "workerd";
}

/** The processor and how many of it there are. */
export function machine(): string {
  const model = /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? process.arch;
  return `${availableParallelism()} × ${model.trim()}`;
}
