import { describe, expect, it } from "vitest";
import { createLog, throttledLog } from "./log.ts";

const NOON = () => new Date("2026-01-02T12:00:00Z");

describe("createLog", () => {
  it("writes one JSON object per line", () => {
    const lines: string[] = [];
    createLog("json", (line) => lines.push(line), NOON).warn("refused", { status: 503, detail: undefined });
    expect(lines).toEqual(['{"time":"2026-01-02T12:00:00.000Z","level":"warn","message":"refused","status":503}\n']);
  });

  it("keeps text events on one line whatever a field holds", () => {
    const lines: string[] = [];
    createLog("text", (line) => lines.push(line), NOON).info("x", { a: "1.2.3.4:5", b: 'two words\n"x"', c: true });
    expect(lines).toEqual(['2026-01-02T12:00:00.000Z info x a=1.2.3.4:5 b="two words\\n\\"x\\"" c=true\n']);
  });
});

describe("throttledLog", () => {
  it("lets a burst of each message pass and then says how many it left out", () => {
    const lines: string[] = [];
    let now = 0;
    const log = throttledLog(
      createLog("text", (line) => lines.push(line), NOON),
      2,
      1_000,
      () => now,
    );
    for (let i = 0; i < 5; i++) log.warn("same", { i });
    log.warn("other");
    expect(lines).toHaveLength(3);
    now = 1_000;
    log.warn("same", { i: 5 });
    log.warn("same", { i: 6 });
    expect(lines.slice(3).map((line) => line.trim().slice(25))).toEqual(["warn same i=5 omitted=3", "warn same i=6"]);
  });
});
