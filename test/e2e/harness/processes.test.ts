// The helpers that start and end processes, and the log filter.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { Child, isRunning } from "../support/child.ts";
import { isLeftover, runPrefix } from "../support/run.ts";
import { unexpectedErrors } from "../support/tailscaled-log.ts";
import { until } from "../support/until.ts";

describe("a child", () => {
  it("ends on SIGTERM, and by force when it does not listen", async () => {
    const polite = new Child({ name: "polite", command: ["sleep", "60"] });
    const deaf = new Child({
      name: "deaf",
      command: ["sh", "-c", "trap '' TERM; echo deaf >&2; while :; do sleep 1; done"],
    });
    await deaf.until("ready", () => deaf.logLines(/deaf/).length > 0);
    expect(await polite.stop()).toEqual({ code: null, signal: "SIGTERM" });
    expect(await deaf.stop(100)).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("fails a wait as soon as it has ended, with the end of its log", async () => {
    const child = new Child({ name: "broken", command: ["sh", "-c", "echo no such flag >&2; exit 3"] });
    await expect(child.until("ready", () => false)).rejects.toThrow(/ended \(\{"code":3.*no such flag/s);
  });

  it("that cannot be started says so in its log", async () => {
    const child = new Child({ name: "missing", command: ["/nonexistent/program"] });
    await child.exited;
    expect(child.log()).toMatch(/nonexistent/);
  });

  it("gets nothing of the tester's environment", async () => {
    process.env.TS_AUTHKEY = "tskey-from-outside";
    const lines: string[] = [];
    const child = new Child({ name: "env", command: ["env"], onLine: (line) => lines.push(line), env: { EXTRA: "1" } });
    await child.exited;
    await until("output", () => lines.length > 0);
    delete process.env.TS_AUTHKEY;
    expect(lines).toContain("EXTRA=1");
    expect(lines.join("\n")).not.toContain("tskey");
  });

  it("dies with a test process that is killed", async () => {
    const program =
      `import { Child } from ${JSON.stringify(resolve(import.meta.dirname, "../support/child.ts"))};` +
      `console.log(new Child({ name: "orphan", command: ["sleep", "60"] }).pid); setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ["--input-type=module", "-e", program]);
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    expect(isRunning(Number(line))).toBe(true);
    parent.kill("SIGKILL");
    await until("child is gone", () => !isRunning(Number(line)));
  });
});

describe("names", () => {
  it("of a dead process are leftovers, those of a live one and of others are not", () => {
    const dead = (4_194_303).toString(36); // the highest process id; ids are given out from below
    expect(["fs-", `fs-${dead}`, `fs-${dead}-1-laptop`, `fs-${dead}-1v2`, "eth0"].map(isLeftover)).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(isLeftover(`${runPrefix}-1`)).toBe(false);
  });
});

describe("the log filter", () => {
  it("returns what looks like an error and is not known to be harmless", () => {
    const log = [
      "control: netmap received",
      'control: lite map update error after 0s: Post "https://control/": read tcp 1->2: use of closed network connection',
      "control: map response long-poll timed out!",
      "magicsock: derp-900 [unexpected] whatever",
    ];
    expect(unexpectedErrors(log.join("\n"))).toEqual(log.slice(2));
    expect(unexpectedErrors(log.join("\n"), [/long-poll/])).toEqual(log.slice(3));
  });
});
