// What the server's processes cost, read from /proc: CPU time and resident memory, each process and all of them.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** `CLK_TCK`, which Linux fixes at 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The processes of a server by what they are. */
export interface ServerProcesses {
  readonly worker: number;
  readonly gateway: number;
}

/** Tells the processes of a stack apart. @throws Error when one of them is missing */
export function serverProcesses(pids: readonly number[]): ServerProcesses {
  const worker = pids.find((pid) => nameOf(pid) === "workerd");
  const gateway = pids.find((pid) => pid !== worker);
  if (worker === undefined || gateway === undefined) throw new Error(`no worker and gateway among ${pids.join()}`);
  return { worker, gateway };
}

/** CPU milliseconds that a process has used, in user and system mode; in steps of 10. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from field 3 on: the name may hold blanks
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
}

/** Resident memory of a process in KB. */
export function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** The processor and how many of it there are. */
export function machine(): string {
  const model = /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? process.arch;
  return `${availableParallelism()} × ${model.trim()}`;
}

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
}
