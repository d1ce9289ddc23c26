import { describe, expect, it } from "vitest";
import { attempted, type LogAttempt, type LogStreamState, newLogStreamState } from "./log-stream-state.ts";

const NOW = 1_000_000;
const judged = (entries: number[], postponed: number[], refused: number[] = []): LogAttempt => ({
  bytes: 100,
  entries,
  error: postponed.length + refused.length > 0 ? "of some entries" : "",
  judged: { postponed: new Set(postponed), refused: new Set(refused) },
});
const start = newLogStreamState(10, NOW);
const pause = (state: LogStreamState) => state.notBefore - NOW;

describe("a stream whose destination judges entries one by one", () => {
  it("moves on, keeps what was postponed and counts what was refused", () => {
    const state = attempted(start, judged([11, 12, 13], [1], [2]), NOW);
    expect(state).toMatchObject({ position: 13, postponed: [{ id: 12, tries: 1 }], refused: 1, failures: 0 });
    expect(state.total).toEqual({ bytes: 100, entries: 1, requests: 1, failed: 1 });
    const after = attempted(state, judged([12, 14], []), NOW);
    expect(after).toMatchObject({ position: 14, postponed: [], refused: 1, lastError: "" });
    expect(after.total.entries).toBe(3);
  });

  it("waits ever longer while everything is postponed, and gives up nothing", () => {
    let state = start;
    const pauses: number[] = [];
    for (let round = 0; round < 40; round++) {
      state = attempted(state, judged([11, 12], [0, 1]), NOW);
      pauses.push(pause(state));
    }
    expect(pauses.slice(0, 3)).toEqual([10_000, 20_000, 40_000]);
    expect(Math.max(...pauses)).toBe(3_600_000);
    expect(state).toMatchObject({ refused: 0, postponed: [{ id: 11 }, { id: 12 }], total: { entries: 0, bytes: 0 } });
  });

  it("gives up an entry that is postponed over and over while others are taken, without ever waiting long", () => {
    let state = start;
    let rounds = 0;
    do {
      state = attempted(state, judged([11, 12 + rounds], [0]), NOW);
      expect(pause(state)).toBeLessThanOrEqual(10_000);
    } while (state.postponed?.length !== 0 && ++rounds < 100);
    expect(rounds).toBeLessThan(20);
    expect(state).toMatchObject({ refused: 1, total: { entries: rounds + 1 } });
  });

  it("keeps what was postponed over an outage of the destination", () => {
    const state = attempted(start, judged([11, 12], [0]), NOW);
    const down = attempted(state, { bytes: 100, entries: [11, 13], error: "the endpoint answered 500" }, NOW);
    expect(down).toMatchObject({ position: 12, postponed: state.postponed, failures: 1, refused: 0 });
  });
});
