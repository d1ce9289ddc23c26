// What is measured, row by row: wall time until the load program has seen the effect, and the CPU time that workerd and
// the gateway used for it. Load and server share the machine, so wall times include the load program's own work.
import { setTimeout as sleep } from "node:timers/promises";
import type { Api } from "../e2e/support/api.ts";
import type { MapMessage } from "../e2e/support/scripted-node.ts";
import type { Fleet } from "./fleet.ts";
import { cpuMs, residentKb, type ServerProcesses } from "./server-cost.ts";

/** Values by row; the name tells the unit. */
export type Figures = Record<string, number>;

/** What the rows are measured on. */
export interface Bench {
  readonly api: Api;
  readonly fleet: Fleet;
  readonly processes: ServerProcesses;
  /** Memory before the first node, in KB. */
  readonly emptyKb: { readonly worker: number; readonly gateway: number };
}

const JOINS = 5;
const ENDPOINT_CHANGES = 20;
const POLICY_CHANGES = 5;
const IDLE_MS = 60_000;

/** Grows the fleet to `count` nodes and measures every row. */
export async function measure(bench: Bench, count: number): Promise<Figures> {
  const rows = [registering, firstMaps, memory, joining, endpointChange, policyChange, deviceList, reconnecting, idle];
  const figures: Figures = {};
  for (const row of rows) {
    Object.assign(figures, await row(bench, count));
    await sleep(500); // what the row has left to do is not the next one's
  }
  return figures;
}

async function registering({ fleet, processes }: Bench, count: number): Promise<Figures> {
  const fresh = count - fleet.members.length;
  const { ms, cpu } = await timed(processes, () => fleet.grow(count));
  return { "register: nodes per second": (fresh / ms) * 1_000, "register: CPU ms per node": cpu / fresh };
}

/** Streams open one after the other, as each one's coming online is told to those before it. */
async function firstMaps({ fleet, processes }: Bench, count: number): Promise<Figures> {
  const fresh = fleet.members.filter(({ id }) => id === 0);
  const { ms, cpu } = await timed(processes, () => fleet.openMaps(fresh));
  if (fleet.members.length !== count) throw new Error("the fleet has another size");
  return { "first maps of all: ms": ms, "first maps of all: CPU ms per node": cpu / fresh.length };
}

async function memory({ processes, emptyKb }: Bench, count: number): Promise<Figures> {
  await sleep(5_000);
  const worker = residentKb(processes.worker);
  const gateway = residentKb(processes.gateway);
  return {
    "memory: workerd KB per idle node": (worker - emptyKb.worker) / count,
    "memory: gateway KB per idle node": (gateway - emptyKb.gateway) / count,
    "memory: workerd MB": worker / 1024,
    "memory: gateway MB": gateway / 1024,
  };
}

async function joining({ api, fleet, processes }: Bench): Promise<Figures> {
  const own: number[] = [];
  const medians: number[] = [];
  const lasts: number[] = [];
  let cpu = 0;
  for (let n = 1; n <= JOINS; n++) {
    const hostname = `newcomer-${Date.now()}`;
    const since = performance.now();
    const run = await timed(processes, async () => {
      const knows = (message: MapMessage) =>
        message.PeersChanged?.some(({ Name }) => Name.startsWith(`${hostname}.`)) ?? false;
      return Promise.all([fleet.join(hostname), fleet.arrivals(since, knows)]);
    });
    const [{ member, at }, arrivals] = run.result;
    own.push(at - since);
    medians.push(median(arrivals));
    lasts.push(arrivals.at(-1) ?? 0);
    cpu += run.cpu;
    await api.deleteDevice(String(member.id));
    member.node.disconnect();
    await sleep(200);
  }
  return {
    "join: ms until the newcomer has its map": median(own),
    "join: ms until the median peer knows": median(medians),
    "join: ms until the last peer knows": median(lasts),
    "join: CPU ms": cpu / JOINS,
  };
}

async function endpointChange({ fleet, processes }: Bench): Promise<Figures> {
  const medians: number[] = [];
  const lasts: number[] = [];
  let cpu = 0;
  for (let n = 1; n <= ENDPOINT_CHANGES; n++) {
    const changed = fleet.members[n];
    if (changed === undefined) throw new Error("the fleet is too small");
    const endpoint = `192.0.2.${n}:${1_024 + (Date.now() % 60_000)}`;
    const since = performance.now();
    const run = await timed(processes, async () => {
      const knows = (message: MapMessage) =>
        message.PeersChangedPatch?.some(({ Endpoints }) => Endpoints?.includes(endpoint)) ?? false;
      return Promise.all([fleet.arrivals(since, knows, changed), changed.node.reportEndpoints([endpoint])]);
    });
    medians.push(median(run.result[0]));
    lasts.push(run.result[0].at(-1) ?? 0);
    cpu += run.cpu;
  }
  return {
    "endpoint change: ms until the median peer has it": median(medians),
    "endpoint change: ms until the last peer has it": median(lasts),
    "endpoint change: CPU ms": cpu / ENDPOINT_CHANGES,
  };
}

async function policyChange({ api, fleet, processes }: Bench): Promise<Figures> {
  const lasts: number[] = [];
  let cpu = 0;
  for (let n = 1; n <= POLICY_CHANGES; n++) {
    const policy = { grants: [{ src: ["*"], dst: ["*"], ip: [`tcp:1-${60_000 + n}`] }] };
    const since = performance.now();
    const run = await timed(processes, () =>
      Promise.all([
        fleet.arrivals(since, (message) => JSON.stringify(message.PacketFilters)?.includes(`${60_000 + n}`) ?? false),
        api.setPolicy(policy),
      ]),
    );
    lasts.push(run.result[0].at(-1) ?? 0);
    cpu += run.cpu;
  }
  return {
    "policy change: ms until the last node has it": median(lasts),
    "policy change: CPU ms": cpu / POLICY_CHANGES,
  };
}

async function deviceList({ api, processes }: Bench): Promise<Figures> {
  const times = 20;
  const { ms, cpu } = await timed(processes, async () => {
    for (let n = 0; n < times; n++) await api.devices();
  });
  return { "device list: ms": ms / times, "device list: CPU ms": cpu / times };
}

async function reconnecting({ fleet, processes }: Bench, count: number): Promise<Figures> {
  const { ms, cpu } = await timed(processes, () => fleet.reconnect());
  return { "mass reconnect: ms until all have their maps": ms, "mass reconnect: CPU ms per node": cpu / count };
}

async function idle({ processes }: Bench): Promise<Figures> {
  await sleep(2_000);
  const { cpu } = await timed(processes, () => sleep(IDLE_MS));
  return { "idle: CPU ms per minute": cpu };
}

/** Runs something; wall time, and the CPU time of the server until a moment after it. */
async function timed<T>({ worker, gateway }: ServerProcesses, work: () => Promise<T>) {
  const cpuBefore = cpuMs(worker) + cpuMs(gateway);
  const since = performance.now();
  const result = await work();
  const ms = performance.now() - since;
  return { result, ms, cpu: cpuMs(worker) + cpuMs(gateway) - cpuBefore };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
