// What a process has used of the processors, read from /proc (Linux).
import { readdirSync, readFileSync } from "node:fs";

/** CPU milliseconds of all its threads together, to the nanosecond; /proc/<pid>/stat only counts ticks of 10 ms. */
export function preciseCpuMs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  }
  return nanoseconds / 1e6;
}
