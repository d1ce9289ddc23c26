import { describe, expect, test } from "vitest";
import {
  DERP_ACK_EVERY,
  DERP_MAX_QUEUED,
  DERP_MAX_QUEUED_BYTES,
  DERP_MIN_SEND_WINDOW,
  DERP_REGION_WINDOW,
  DERP_SEND_WINDOW,
} from "../limits.ts";
import { SendBudget, SendQueue } from "./send-queue.ts";

function nonce(n: number): Uint8Array {
  return new Uint8Array(8).fill(n);
}

/** Sends until the window shuts, pinging whenever that is due; returns the number of pings, whose nonces count from 1. */
function fillWindow(queue: SendQueue): number {
  let pings = 0;
  while (queue.isOpen) {
    queue.noteSent(1000);
    if (queue.isPingDue) queue.notePing(nonce(++pings), 5_000 + pings);
  }
  return pings;
}

describe("a client that answers pings", () => {
  test("is pinged every 64 KiB and shut out at the window", () => {
    const queue = new SendQueue(true, new SendBudget());
    queue.noteSent(DERP_ACK_EVERY - 1);
    expect(queue.isPingDue).toBe(false);
    queue.noteSent(1);
    expect(queue.isPingDue).toBe(true);
    queue.notePing(nonce(1), 0);
    queue.noteSent(DERP_ACK_EVERY - 1);
    expect(queue.isPingDue).toBe(false);
    queue.noteSent(DERP_SEND_WINDOW - 2 * DERP_ACK_EVERY);
    expect(queue.isPingDue).toBe(true);
    expect(queue.isOpen).toBe(true);
    queue.noteSent(1);
    expect(queue.isOpen).toBe(false);
  });

  test("gets room for what a pong acknowledges, and for no more", () => {
    const queue = new SendQueue(true, new SendBudget());
    const pings = fillWindow(queue);
    expect(pings).toBe(Math.floor(DERP_SEND_WINDOW / (DERP_ACK_EVERY + 464)));
    queue.acknowledge(nonce(1));
    let sent = 0;
    while (queue.isOpen) {
      queue.noteSent(1000);
      sent += 1000;
    }
    expect(sent).toBeGreaterThanOrEqual(DERP_ACK_EVERY - 1000);
    expect(sent).toBeLessThanOrEqual(DERP_ACK_EVERY + 2000);
  });

  test("acknowledges earlier pings with a later pong", () => {
    const queue = new SendQueue(true, new SendBudget());
    fillWindow(queue);
    queue.acknowledge(nonce(10));
    expect(queue.waitingSinceMs).toBe(5_011);
    queue.acknowledge(nonce(3));
    expect(queue.waitingSinceMs).toBe(5_011);
  });

  test("gains nothing by pongs that were never asked for, or twice", () => {
    const queue = new SendQueue(true, new SendBudget());
    fillWindow(queue);
    queue.acknowledge(nonce(200));
    expect(queue.isOpen).toBe(false);
    queue.acknowledge(nonce(1));
    queue.noteSent(DERP_ACK_EVERY + 1000);
    expect(queue.isOpen).toBe(false);
    queue.acknowledge(nonce(1));
    expect(queue.isOpen).toBe(false);
  });

  test("gains nothing by time", () => {
    const queue = new SendQueue(true, new SendBudget());
    fillWindow(queue);
    queue.noteKeepAlive();
    expect(queue.isOpen).toBe(false);
  });

  test("waits since the oldest ping that is not answered", () => {
    const queue = new SendQueue(true, new SendBudget());
    expect(queue.waitingSinceMs).toBeUndefined();
    queue.notePing(nonce(1), 100);
    queue.notePing(nonce(2), 200);
    expect(queue.waitingSinceMs).toBe(100);
    queue.acknowledge(nonce(1));
    expect(queue.waitingSinceMs).toBe(200);
    queue.acknowledge(nonce(2));
    expect(queue.waitingSinceMs).toBeUndefined();
  });
});

test("a client that answers no pings is never pinged and gets a window for each keep-alive", () => {
  const queue = new SendQueue(false, new SendBudget());
  expect(fillWindow(queue)).toBe(0);
  queue.noteKeepAlive();
  expect(queue.isOpen).toBe(true);
});

describe("waiting frames", () => {
  test("come out urgent ones first, each kind in order, and nothing overtakes them", () => {
    const queue = new SendQueue(true, new SendBudget());
    const pings = fillWindow(queue);
    queue.push(nonce(1), false);
    queue.push(nonce(2), true);
    queue.push(nonce(3), false);
    queue.push(nonce(4), true);
    expect(queue.take()).toBeUndefined();
    queue.acknowledge(nonce(pings));
    expect(queue.isOpen).toBe(false);
    const order = Array.from({ length: 5 }, () => queue.take()?.[0]);
    expect(order).toEqual([2, 4, 1, 3, undefined]);
    expect(queue.isOpen).toBe(true);
  });

  test("beyond 32 of a kind drop the oldest of that kind", () => {
    const queue = new SendQueue(true, new SendBudget());
    const pings = fillWindow(queue);
    let dropped = 0;
    for (let i = 0; i < DERP_MAX_QUEUED + 3; i++) dropped += queue.push(nonce(i), false);
    dropped += queue.push(nonce(99), true);
    expect(dropped).toBe(3);
    queue.acknowledge(nonce(pings));
    expect([queue.take()?.[0], queue.take()?.[0]]).toEqual([99, 3]);
  });

  test("have a limit in bytes too, at which path discovery is dropped last", () => {
    const queue = new SendQueue(true, new SendBudget());
    const pings = fillWindow(queue);
    const large = () => new Uint8Array(DERP_MAX_QUEUED_BYTES / 4);
    queue.push(nonce(1), true);
    let dropped = 0;
    for (let i = 0; i < 10; i++) dropped += queue.push(large(), false);
    expect(dropped).toBe(7);
    queue.acknowledge(nonce(pings));
    expect(queue.take()?.[0]).toBe(1);
  });
});

describe("the budget of a region", () => {
  test("leaves one client alone its widest window and narrows those of a crowd, down to a floor", () => {
    const budget = new SendBudget();
    const queues = Array.from({ length: 2_000 }, () => new SendQueue(true, budget));
    let first = 0;
    for (const queue of queues) {
      fillWindow(queue);
      first ||= budget.unacknowledged;
    }
    expect(first).toBeGreaterThanOrEqual(DERP_SEND_WINDOW);
    expect(budget.window).toBe(DERP_MIN_SEND_WINDOW);
    expect(budget.unacknowledged).toBeLessThan(DERP_REGION_WINDOW + queues.length * (DERP_MIN_SEND_WINDOW + 1000));
  });

  test("is whole again when all clients have left or acknowledged", () => {
    const budget = new SendBudget();
    const [leaving, reading] = [new SendQueue(true, budget), new SendQueue(true, budget)];
    fillWindow(leaving);
    reading.noteSent(DERP_ACK_EVERY);
    reading.notePing(nonce(1), 0);
    leaving.close();
    leaving.close();
    expect(budget.unacknowledged).toBe(DERP_ACK_EVERY);
    reading.acknowledge(nonce(1));
    expect(budget.unacknowledged).toBe(0);
  });
});
