// The relay by itself, against stock derper on the same machine in the same run: throughput, CPU and lost packets of 1 and
// 50 pairs that keep 32 packets under way, the same of a sender that never waits, round trips, and memory of idle
// connections. Both ends of every connection live in this process, which shares the
// machine with the relay, so that only the ratio of throughputs means something; CPU is the relay's alone.
//
//   node test/bench/relay/relay.bench.ts
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type RelayFigures, relayTable } from "../report.ts";
import type { Figures } from "../row.ts";
import { cpuMs, residentKb } from "../server-cost.ts";
import { DerpConnection, packetTo } from "./derp-connection.ts";
import { type RelayTarget, startDerperTarget, startFlarescaleTarget } from "./relay-target.ts";

const PACKET = 1_400;
/** Packets of a pair that are under way: as many as derper keeps for a receiver before it drops. */
const WINDOW = 32;
const PAIRS = [1, 50] as const;
const MEASURE_MS = 5_000;
const ROUND_TRIPS = 2_000;
const IDLE_CONNECTIONS = 300;
/** Nothing arrives for so long: what was under way is lost, or what was sent has arrived. */
const QUIET_MS = 1_000;

/** Runs the bench, one relay after the other. */
export async function benchRelay(): Promise<RelayFigures> {
  return { derper: await measure(await startDerperTarget()), flarescale: await measure(await startFlarescaleTarget()) };
}

async function measure(target: RelayTarget): Promise<Figures> {
  try {
    const keys = await target.keys(2 * Math.max(...PAIRS));
    const figures: Figures = {};
    Object.assign(figures, await idleMemory(target, await target.keys(IDLE_CONNECTIONS - keys.length), keys));
    Object.assign(figures, await roundTrips(target, keys));
    for (const pairs of PAIRS) Object.assign(figures, await throughput(target, keys.slice(0, 2 * pairs)));
    Object.assign(figures, await flood(target, keys.slice(0, 2)));
    return figures;
  } finally {
    await target.stop();
  }
}

/** A pair: packets flow from one to the other, so many of them under way at a time. */
class Pair {
  sent = 0;
  arrived = 0;
  isEnding = false;
  readonly #from: DerpConnection;
  readonly #packet: Buffer;
  #underWay = 0;
  #lastAt = performance.now();

  constructor(from: DerpConnection, to: DerpConnection) {
    this.#from = from;
    this.#packet = packetTo(to.publicKey, PACKET);
    to.onPacket = () => {
      this.arrived += 1;
      this.#underWay = Math.max(0, this.#underWay - 1);
      this.#lastAt = performance.now();
      if (this.#underWay <= WINDOW / 2 && !this.isEnding) this.fill();
    };
  }

  fill(): void {
    const count = WINDOW - this.#underWay;
    this.#underWay = WINDOW;
    this.sent += count;
    this.#from.socket.write(count === 1 ? this.#packet : Buffer.concat(new Array<Buffer>(count).fill(this.#packet)));
  }

  /** Goes on when what was under way has been lost. */
  check(now: number): void {
    if (!this.isQuiet(now)) return;
    this.#underWay = 0;
    this.#lastAt = now;
    this.fill();
  }

  isQuiet(now: number): boolean {
    return now - this.#lastAt > QUIET_MS;
  }
}

async function throughput(target: RelayTarget, keys: readonly Uint8Array[]): Promise<Figures> {
  const connections = await openAll(target, keys);
  const pairs = connections.flatMap((from, i) => {
    const to = connections[i + 1];
    return i % 2 === 0 && to !== undefined ? [new Pair(from, to)] : [];
  });
  for (const pair of pairs) pair.fill();
  await sleep(1_000); // until it runs evenly
  const total = (what: "sent" | "arrived") => pairs.reduce((sum, pair) => sum + pair[what], 0);
  const before = { arrived: total("arrived"), at: performance.now(), cpu: target.pids.map((pid) => cpuMs([pid])) };
  const watch = setInterval(() => {
    for (const pair of pairs) pair.check(performance.now());
  }, 50);
  await sleep(MEASURE_MS);
  clearInterval(watch);
  const bytes = (total("arrived") - before.arrived) * PACKET;
  const seconds = (performance.now() - before.at) / 1_000;
  const cpu = target.pids.map((pid, i) => (cpuMs([pid]) - (before.cpu[i] ?? 0)) / 1_000 / (bytes / 1e9));
  // Late is not lost: what was sent is counted when nothing comes any more.
  for (const pair of pairs) pair.isEnding = true;
  while (total("arrived") < total("sent") && !pairs.every((pair) => pair.isQuiet(performance.now()))) await sleep(50);
  for (const connection of connections) connection.close();
  const name = pairs.length === 1 ? "1 pair" : `${pairs.length} pairs`;
  return {
    [`${name}: MB/s`]: bytes / 1e6 / seconds,
    [`${name}: CPU s per GB`]: cpu.reduce((sum, one) => sum + one, 0),
    ...(cpu.length > 1 && {
      [`${name}: CPU s per GB, workerd`]: cpu[0] ?? 0,
      [`${name}: CPU s per GB, gateway`]: cpu[1] ?? 0,
    }),
    [`${name}: packets lost, %`]: 100 * (1 - total("arrived") / total("sent")),
  };
}

/** A sender that never waits for its packets to arrive, only for its socket, as a file transfer over UDP would. */
async function flood(target: RelayTarget, keys: readonly Uint8Array[]): Promise<Figures> {
  const [from, to] = await openAll(target, keys);
  if (from === undefined || to === undefined) throw new Error("a flood needs two ends");
  const batch = Buffer.concat(new Array<Buffer>(WINDOW).fill(packetTo(to.publicKey, PACKET)));
  let [sent, arrived, lastAt] = [0, 0, performance.now()];
  to.onPacket = () => {
    arrived += 1;
    lastAt = performance.now();
  };
  const since = performance.now();
  while (performance.now() - since < MEASURE_MS) {
    sent += WINDOW;
    if (!from.socket.write(batch)) await once(from.socket, "drain");
  }
  while (arrived < sent && performance.now() - lastAt < QUIET_MS) await sleep(50);
  from.close();
  to.close();
  return {
    "flood: MB/s": (arrived * PACKET) / 1e6 / ((lastAt - since) / 1_000),
    "flood: packets lost, %": 100 * (1 - arrived / sent),
  };
}

async function roundTrips(target: RelayTarget, keys: readonly Uint8Array[]): Promise<Figures> {
  const [one, two] = await openAll(target, keys.slice(0, 2));
  if (one === undefined || two === undefined) throw new Error("a round trip needs two ends");
  const there = packetTo(two.publicKey, 64);
  const back = packetTo(one.publicKey, 64);
  two.onPacket = () => two.socket.write(back);
  const times: number[] = [];
  for (let n = 0; n < ROUND_TRIPS; n++) {
    const since = performance.now();
    await new Promise<void>((resolve) => {
      one.onPacket = () => resolve();
      one.socket.write(there);
    });
    times.push(performance.now() - since);
  }
  one.close();
  two.close();
  times.sort((a, b) => a - b);
  return { "round trip, ms, p50": times[ROUND_TRIPS / 2] ?? 0, "round trip, ms, p99": times[ROUND_TRIPS * 0.99] ?? 0 };
}

async function idleMemory(target: RelayTarget, more: Uint8Array[], keys: Uint8Array[]): Promise<Figures> {
  const all = [...keys, ...more];
  await sleep(2_000);
  const before = target.pids.map((pid) => residentKb([pid]));
  const connections = await openAll(target, all);
  await sleep(3_000);
  const grown = target.pids.map((pid, i) => (residentKb([pid]) - (before[i] ?? 0)) / all.length);
  for (const connection of connections) connection.close();
  return {
    "KB per idle connection": grown.reduce((sum, one) => sum + one, 0),
    ...(grown.length > 1 && {
      "KB per idle connection, workerd": grown[0] ?? 0,
      "KB per idle connection, gateway": grown[1] ?? 0,
    }),
  };
}

async function openAll(target: RelayTarget, keys: readonly Uint8Array[]): Promise<DerpConnection[]> {
  const connections: DerpConnection[] = [];
  // Not all at once: the gateway of npm start lets 50 dials pass in a second.
  for (const key of keys) connections.push(await DerpConnection.open(target.url, key));
  return connections;
}

if (import.meta.main) {
  console.log(relayTable(await benchRelay()));
  process.exit(0);
}
