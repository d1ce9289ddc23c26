// The relay as programs see it that use the official DERP client (derphttp) by themselves: every frame that our relay sends
// is read by it, through a gateway with TLS. And the relay under load that no official client makes: a flood, and a
// receiver that does not read.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { DerpConnection, packetTo } from "../bench/relay/derp-connection.ts";
import { clientBinaries } from "../clients/build.ts";
import { execute } from "./support/command.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { freeLoopbackPort } from "./support/local-http.ts";
import { OfficialDerpClient } from "./support/official-derp-client.ts";
import { admittedKeys, type RelayKey } from "./support/relay-keys.ts";
import { until } from "./support/until.ts";

const AGENT = resolve(import.meta.dirname, "../../agent/main.ts");
const MESH_KEY = "3c".repeat(32);
const RATE = 1_000_000;
/** A quarter of a second's worth is told as burst. */
const BURST = RATE / 4;
const PACKET = 1_000;
/** With header and key. */
const FRAME = 5 + 32 + PACKET;

const clients: OfficialDerpClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.kill()));
});

/** A relay with its operator's secret and node keys that it admits. */
class Relay {
  readonly flarescale: Flarescale;
  readonly keys: readonly RelayKey[];
  readonly #address: string;
  readonly #secret: string;

  private constructor(flarescale: Flarescale, address: string, keys: readonly RelayKey[]) {
    this.flarescale = flarescale;
    this.keys = keys;
    this.#address = address;
    const credentials = readFileSync(join(flarescale.stateDir, "credentials.json"), "utf8");
    this.#secret = (JSON.parse(credentials) as { bootstrapSecret: string }).bootstrapSecret;
  }

  static async start(env: Record<string, string>): Promise<Relay> {
    const httpsPort = await freeLoopbackPort();
    const flarescale = await startFlarescale({ httpsPort, stunPort: false, env });
    return new Relay(flarescale, `127.0.0.1:${httpsPort}`, await admittedKeys(flarescale, 4));
  }

  async client(index: number, ...options: string[]): Promise<OfficialDerpClient> {
    const client = await OfficialDerpClient.start(this.#address, this.keys[index] as RelayKey, options);
    clients.push(client);
    return client;
  }

  async metric(name: string): Promise<number> {
    const headers = { authorization: `Bearer ${this.#secret}` };
    const text = await (await fetch(`${this.flarescale.workerUrl}/derp/metrics`, { headers })).text();
    const value = new RegExp(`^flarescale_relay_${name}\\{region="900"\\} (\\d+)$`, "m").exec(text)?.[1];
    if (value === undefined) throw new Error(`no metric ${name} in:\n${text}`);
    return Number(value);
  }

  /** Runs the operator's command, against the gateway as an operator might. */
  restart(...options: readonly string[]) {
    const secret = `FLARESCALE_BOOTSTRAP_SECRET=${this.#secret}`;
    const worker = `--worker=${this.flarescale.controlUrl}`;
    return execute(["env", secret, process.execPath, AGENT, "derp-restart", worker, ...options]);
  }
}

beforeAll(async () => {
  await clientBinaries();
}, 300_000);

describe("the official client", () => {
  let relay: Relay;
  beforeAll(async () => {
    relay = await Relay.start({ DERP_MESH_KEY: MESH_KEY, DERP_CLIENT_BYTES_PER_SECOND: String(RATE) });
  });
  afterAll(async () => relay?.flarescale.stop());

  it("is told its rate, keeps to it, and loses nothing on our side for it", async () => {
    const [from, to] = [await relay.client(0), await relay.client(1)];
    expect(from.events[0]).toMatchObject({ event: "connected", rate: RATE, burst: BURST });
    from.do({ do: "send", to: to.nodeKey, bytes: PACKET, count: 3_000 }); // 3 MB: far more than the burst
    await from.next("sent", ({ event }) => event === "sent");
    await from.settle();
    await to.settle();
    const arrived = to.events.filter(({ event, key }) => event === "packet" && key === from.nodeKey).length;
    expect(arrived).toBeGreaterThanOrEqual(Math.floor(BURST / FRAME));
    expect(arrived).toBeLessThan(3_000); // it dropped the rest by itself
    expect(await relay.metric("packets_limited_total")).toBe(0);
    expect(await relay.metric("packets_dropped_total")).toBe(0);
  });

  it("hears that a peer is not here, that one has left, and is counted at home here", async () => {
    const [here, leaver] = [await relay.client(0), await relay.client(1)];
    const absent = (relay.keys[3] as RelayKey).nodeKey;
    here.do({ do: "disco", to: absent });
    expect(await here.next("not here", ({ event }) => event === "gone")).toMatchObject({ key: absent, reason: 1 });
    leaver.do({ do: "send", to: here.nodeKey, bytes: 1, count: 1 });
    await here.next("packet", ({ event }) => event === "packet");
    await leaver.kill();
    expect(await here.next("left", ({ event }) => event === "gone")).toMatchObject({ key: leaver.nodeKey, reason: 0 });
    here.do({ do: "prefer", home: true });
    await here.settle();
    expect(await relay.metric("homes")).toBe(1);
    here.do({ do: "prefer", home: false });
    await until("it is no home any more", async () => (await relay.metric("homes")) === 0);
  });

  it("with a second device of its key is served while it speaks, and told of the trouble until it is over", async () => {
    const [one, two, peer] = [await relay.client(0), await relay.client(0), await relay.client(1)];
    const says = async (speaker: OfficialDerpClient) => {
      speaker.do({ do: "send", to: peer.nodeKey, bytes: 1, count: 1 });
      await peer.next("packet", ({ event }) => event === "packet");
      peer.do({ do: "send", to: speaker.nodeKey, bytes: 2, count: 1 });
      await speaker.next("answer", ({ event, bytes }) => event === "packet" && bytes === 2);
    };
    for (const each of [two, one, two]) await says(each);
    for (let round = 0; round < 4; round++) for (const each of [one, two]) await settleBySending(each, peer);
    for (const each of [one, two]) {
      const health = await each.next("health", ({ event }) => event === "health");
      expect(health.problem).toContain("another device is connected");
    }
    await two.kill();
    expect((await one.next("healthy again", ({ event }) => event === "health")).problem ?? "").toBe("");
    await says(one);
  });

  it("with the mesh key watches who comes and goes, and has a client closed; without it, it is sent away", async () => {
    const present = await relay.client(0);
    const watcher = await relay.client(2, "-watch", `-mesh-key=${MESH_KEY}`);
    const isOf =
      (node: string, kind: string) =>
      ({ event, key }: { event: string; key?: string }) =>
        event === kind && key === node;
    const [early] = [await watcher.next("who is here", isOf(present.nodeKey, "present"))];
    expect((early.flags ?? 0) & 1).toBe(1);
    const late = await relay.client(1);
    await watcher.next("who comes", isOf(late.nodeKey, "present"));
    watcher.do({ do: "close", to: present.nodeKey });
    await present.next("closed", ({ event }) => event === "lost");
    await late.kill();
    expect(await watcher.next("who goes", isOf(late.nodeKey, "gone"))).toMatchObject({ reason: 0 });
    const stranger = await relay.client(3);
    stranger.do({ do: "close", to: present.nodeKey });
    await stranger.next("sent away", ({ event }) => event === "lost");
  });

  it("is told of a restart by the operator's command, and reconnects when it was told to", async () => {
    const told = [await relay.client(0), await relay.client(1)];
    const { code, stdout } = await relay.restart("--reconnect-in=1200", "--try-for=7000");
    expect([code, stdout]).toEqual([0, "region 900: 2 clients sent away\n"]);
    for (const client of told) {
      const notice = await client.next("notice", ({ event }) => event === "restarting");
      expect(notice).toMatchObject({ reconnectInMs: 1_200, tryForMs: 7_000 });
      await client.next("back", ({ event }) => event === "connected");
    }
    const [one, two] = told as [OfficialDerpClient, OfficialDerpClient];
    one.do({ do: "send", to: two.nodeKey, bytes: 5, count: 1 });
    await two.next("packet", ({ event, bytes }) => event === "packet" && bytes === 5);
  });
});

/** Sends a packet and waits until the relay has seen it. */
async function settleBySending(client: OfficialDerpClient, to: OfficialDerpClient): Promise<void> {
  client.do({ do: "send", to: to.nodeKey, bytes: 1, count: 1 });
  await to.next("packet", ({ event }) => event === "packet");
}

describe("a full region", () => {
  /** Four times what trickles, so that a machine that stalls for seconds and then sends it all at once is within it. */
  const regionRate = 8_000_000;
  let relay: Relay;
  beforeAll(async () => {
    relay = await Relay.start({ DERP_REGION_BYTES_PER_SECOND: String(regionRate) });
  });
  afterAll(async () => relay?.flarescale.stop());

  it("cuts a flood to one who does not read, counts what it drops, and lets the others' packets through, all of them", async () => {
    const [steady, sink] = [await relay.client(0), await relay.client(1)];
    const [flooder, slow] = await Promise.all(
      relay.keys.slice(2).map(async ({ privateKey }) => DerpConnection.open(relay.flarescale.controlUrl, privateKey)),
    );
    if (flooder === undefined || slow === undefined) throw new Error("two more clients are needed");
    slow.socket.pause();
    const batch = Buffer.concat(new Array<Buffer>(64).fill(packetTo(slow.publicKey, 1_400)));
    const flood = (everyMs: number) => {
      const timer = setInterval(() => flooder.socket.write(batch), everyMs);
      onTestFinished(() => clearInterval(timer));
      return () => clearInterval(timer);
    };
    let sent = 0;
    /** Goes on sending until a metric tells that so many packets of the flood have been dropped. */
    const steadyUntil = (name: string) =>
      until(
        name,
        async () => {
          steady.do({ do: "send", to: sink.nodeKey, bytes: PACKET, count: 4 });
          sent += 4;
          return (await relay.metric(name)) > 1_000;
        },
        { timeoutMs: 60_000, everyMs: 100 },
      );
    // First within the region's rate, so that it reaches the one who does not read, then far beyond.
    const stopTrickle = flood(50);
    await steadyUntil("packets_dropped_total");
    stopTrickle();
    expect(await relay.metric("packets_limited_total")).toBe(0);
    const stopFlood = flood(2);
    await steadyUntil("packets_limited_total");
    stopFlood();
    await steady.settle();
    await sink.settle();
    expect(sink.events.filter(({ event, key }) => event === "packet" && key === steady.nodeKey)).toHaveLength(sent);
    await until("all of the flood is taken from its sender", () => flooder.socket.writableLength === 0);
    expect(flooder.socket.destroyed).toBe(false);
    flooder.close();
    slow.close();
  });
});
