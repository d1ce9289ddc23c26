// Rounds of kill -9 while writers write and real clients hold their map streams; after each, what was acknowledged is
// compared with what is there, and from time to time all clients must reach each other without any help.
import { setTimeout as sleep } from "node:timers/promises";
import type { Device } from "../api.ts";
import type { Tailscaled } from "../tailscaled.ts";
import { until } from "../until.ts";
import { extraMigrationsIn, treeWithMigrations } from "./deploy-tree.ts";
import type { Part, Parts } from "./parts.ts";
import { type Random, seededRandom } from "./random.ts";
import { isLoss, type Snapshot, type Writer } from "./writer.ts";

/** What to do. */
export interface CrashPlan {
  readonly seed: number;
  readonly rounds: number;
  /** Every so many rounds new code with one more migration is deployed, in place of a kill. */
  readonly deployEvery: number;
  /** Every so many rounds, and at the end, the clients must all reach each other. */
  readonly meetEvery: number;
}

/** Who takes part. */
export interface CrashScene {
  readonly parts: Parts;
  readonly clients: readonly Tailscaled[];
  readonly writers: readonly Writer[];
  /** A device that gets a new name at every meeting: a client that learns it has a live map stream. */
  readonly herald: Pick<Device, "nodeId" | "hostname">;
}

/** What happened. */
export interface CrashReport {
  readonly acknowledged: number;
  readonly interrupted: number;
  readonly kills: Readonly<Record<Part, number>>;
  readonly deploys: number;
  /** How long the clients took until all reached each other, each time. */
  readonly recoveriesMs: readonly number[];
}

const meetTimeoutMs = 90_000;
/** Long enough for a few hundred changes, short enough for many rounds; a kill comes at any moment in between. */
const writingMs = { least: 150, most: 1_500 };

/** Runs the rounds. @throws Error that names the round, the seed and what was lost */
export async function runCrashRounds(scene: CrashScene, plan: CrashPlan): Promise<CrashReport> {
  const run = new CrashRun(scene, plan);
  say(`${plan.rounds} rounds, seed ${plan.seed}`);
  for (let round = 1; round <= plan.rounds; round++) {
    try {
      await run.round(round);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`round ${round} of seed ${plan.seed}: ${reason}`, { cause });
    }
  }
  return run.report();
}

class CrashRun {
  readonly #scene: CrashScene;
  readonly #plan: CrashPlan;
  readonly #random: Random;
  readonly #kills = { worker: 0, gateway: 0 };
  readonly #recoveriesMs: number[] = [];
  #identities: ReadonlyMap<string, string> | undefined;
  #interrupted = 0;
  #deploys = 0;
  #tree: string | undefined;

  constructor(scene: CrashScene, plan: CrashPlan) {
    this.#scene = scene;
    this.#plan = plan;
    this.#random = seededRandom(plan.seed);
  }

  async round(number: number): Promise<void> {
    const started = Date.now();
    const { deployEvery, meetEvery, rounds } = this.#plan;
    const writing = this.#write();
    await sleep(writingMs.least + this.#random() * (writingMs.most - writingMs.least));
    const what = number % deployEvery === 0 ? await this.#deploy() : await this.#killSome();
    const stopped = writing.stop(); // started first: a gateway holds requests for a while for a Worker that is away
    await this.#scene.parts.start(this.#tree);
    await stopped;
    await this.#verify();
    if (number % meetEvery === 0 || number === rounds) await this.#meet();
    const { acknowledged } = this.report();
    say(`round ${number}: ${what}, ${acknowledged} changes acknowledged so far, ${Date.now() - started} ms`);
  }

  report(): CrashReport {
    const acknowledged = this.#scene.writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
    return {
      acknowledged,
      interrupted: this.#interrupted,
      kills: this.#kills,
      deploys: this.#deploys,
      recoveriesMs: this.#recoveriesMs,
    };
  }

  async #killSome(): Promise<string> {
    const dice = this.#random();
    const targets: Part[] = dice < 0.6 ? ["worker"] : dice < 0.85 ? ["gateway"] : ["worker", "gateway"];
    await this.#scene.parts.kill(targets);
    for (const part of targets) this.#kills[part]++;
    return `killed ${targets.join(" and ")}`;
  }

  async #deploy(): Promise<string> {
    const { parts } = this.#scene;
    this.#tree = treeWithMigrations(++this.#deploys);
    await parts.stopWorker();
    await parts.start(this.#tree);
    await parts.api.devices(); // wakes the object, which migrates first
    const found = extraMigrationsIn(parts);
    if (found !== this.#deploys) throw new Error(`${found} of ${this.#deploys} deployed migrations were applied`);
    return "deployed a migration";
  }

  /** Lets every writer write until it is told to stop or its server is gone. */
  #write(): { stop(): Promise<void> } {
    let isOver = false;
    const loop = async (writer: Writer) => {
      while (!isOver) {
        try {
          await writer.step();
        } catch (error) {
          if (!isLoss(error)) throw new Error(`${writer.name} was refused`, { cause: error });
          this.#interrupted++;
          return;
        }
        await sleep(this.#random() * 20);
      }
    };
    const all = Promise.all(this.#scene.writers.map(loop));
    all.catch(() => {}); // stop() reports it
    const stop = async () => {
      isOver = true;
      await all;
    };
    return { stop };
  }

  async #verify(): Promise<void> {
    const snapshot = await takeSnapshot(this.#scene.parts);
    for (const writer of this.#scene.writers) await writer.verify(snapshot);
    const identities = new Map(this.#scene.clients.map(({ hostname }) => [hostname, identityOf(snapshot, hostname)]));
    for (const [hostname, identity] of this.#identities ?? []) {
      const now = identities.get(hostname);
      if (now !== identity) throw new Error(`${hostname} was ${identity} and is ${now}`);
    }
    this.#identities = identities;
  }

  /** Everybody runs, hears of what changes now and reaches everybody else; nobody has told them to. */
  async #meet(): Promise<void> {
    const started = Date.now();
    const { parts, clients, herald } = this.#scene;
    const options = { timeoutMs: meetTimeoutMs, everyMs: 250 };
    const news = `herald-${this.#recoveriesMs.length + 1}`;
    await parts.api.renameDevice(herald.nodeId, news);
    for (const client of clients) {
      await client.untilStatus("runs", (status) => status.BackendState === "Running", options);
      await client.untilPeer(herald.hostname, (peer) => peer.DNSName.startsWith(`${news}.`), options);
    }
    const pairs = clients.flatMap((from) => clients.filter((to) => to !== from).map((to) => [from, to] as const));
    for (const [from, to] of pairs) {
      const reaches = async () => await from.ping(to.hostname, "disco", 2_000);
      await until(`${from.hostname} reaches ${to.hostname}`, reaches, options);
    }
    this.#recoveriesMs.push(Date.now() - started);
    say(`all ${clients.length} clients reach each other after ${Date.now() - started} ms`);
  }
}

async function takeSnapshot({ api }: Parts): Promise<Snapshot> {
  const [devices, policy, { keys }, { searchPaths }, { vipServices }] = await Promise.all([
    api.devices(),
    api.policy(),
    api.request<{ keys: { id: string; description?: string }[] }>("GET", "/tailnet/-/keys?all=true"),
    api.request<{ searchPaths: string[] }>("GET", "/tailnet/-/dns/searchpaths"),
    api.request<{ vipServices: { name: string; comment?: string }[] }>("GET", "/tailnet/-/vip-services"),
  ]);
  const byHostname = new Map(devices.map((device) => [device.hostname, device]));
  if (byHostname.size !== devices.length) throw new Error("two devices have one host name");
  return {
    devices: byHostname,
    policy,
    keys: new Map(keys.map(({ id, description = "" }) => [id, description])),
    searchPaths,
    services: new Map(vipServices.map(({ name, comment = "" }) => [name, comment])),
  };
}

function identityOf({ devices }: Snapshot, hostname: string): string {
  const device: Device | undefined = devices.get(hostname);
  if (device === undefined) throw new Error(`${hostname} is not there any more`);
  const { nodeId, nodeKey, machineKey, addresses, name } = device;
  return [nodeId, nodeKey, machineKey, addresses, name].join(" ");
}

function say(text: string): void {
  process.stdout.write(`crash: ${text}\n`);
}
