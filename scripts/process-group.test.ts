// ProcessGroup with small shell programs in place of workerd and the gateway.
import { afterEach, expect, test } from "vitest";
import { type Command, ProcessGroup } from "./process-group.ts";

const groups: ProcessGroup[] = [];
afterEach(() => Promise.all(groups.map((group) => group.stop())));

function group(): ProcessGroup {
  const created = new ProcessGroup();
  groups.push(created);
  return created;
}

function shell(script: string, readyOn: Command["readyOn"] = "stdout"): Command {
  return { name: "probe", file: "/bin/sh", args: ["-c", script], env: { GREETING: "hello" }, readyOn };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("resolves with the first line, however it arrives, with the environment given", async () => {
  const line = await group().start(shell('printf "%s " "$GREETING"; sleep 0.05; echo world; exec sleep 60'));
  expect(line).toBe("hello world");
});

test("reads the line from descriptor 3 when told to", async () => {
  expect(await group().start(shell("echo noise; echo ready >&3; exec sleep 60", "descriptor-3"))).toBe("ready");
});

test("rejects when the process ends before its line", async () => {
  await expect(group().start(shell("exit 3"))).rejects.toThrow("probe exited with 3 before it was ready");
});

test("rejects when the file cannot be executed", async () => {
  await expect(group().start({ ...shell(""), file: "/nonexistent" })).rejects.toThrow("ENOENT");
});

test("reports the first process that ends by itself", async () => {
  const processes = group();
  await processes.start(shell("echo ready; exec sleep 60"));
  await processes.start(shell("echo ready; sleep 0.5; kill -KILL $$"));
  expect(await processes.failure).toBe("probe was ended by SIGKILL");
});

test("ends every process, also one that is still starting, and reports no failure for it", async () => {
  const processes = group();
  await processes.start(shell("echo ready; exec sleep 60"));
  const starting = processes.start(shell("exec sleep 60"));
  starting.catch(() => {});
  const pids = processes.pids;
  expect(pids).toHaveLength(2);
  await processes.stop();
  expect(pids.filter(isAlive)).toEqual([]);
  expect(processes.pids).toEqual([]);
  expect(await Promise.race([processes.failure, Promise.resolve("none")])).toBe("none");
  await expect(starting).rejects.toThrow("ended by SIGTERM");
  await expect(processes.start(shell("echo ready"))).rejects.toThrow("stopping");
});
