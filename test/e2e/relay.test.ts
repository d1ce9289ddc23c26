// The relay where people live by it: nodes behind different NATs whose firewalls drop all UDP, so that whatever they say
// to each other goes through our relay; then UDP is allowed, our STUN server tells them their addresses, and they go
// direct. One map region, served by the gateway and workerd.
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { selfDerpMap } from "../../scripts/stack/self-derp-map.ts";
import { clientBinaries } from "../clients/build.ts";
import { Parts } from "./support/crash/parts.ts";
import { startExchange, startFarEnd } from "./support/exchange.ts";
import { createNat, type Nat } from "./support/nat.ts";
import { createNetwork, type Namespace, type Network } from "./support/netns.ts";
import { scratchDir } from "./support/run.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { TsnetPeer } from "./support/tsnet-peer.ts";
import { until } from "./support/until.ts";
import { WasmClient } from "./support/wasm/client.ts";
import { startWebServer } from "./support/web-server.ts";

const AGENT = resolve(import.meta.dirname, "../../agent/main.ts");
const MB = 1_000_000;
const FAR_PORT = 8200;

let network: Network;
let parts: Parts;
let nats: { readonly left: Nat; readonly right: Nat };
let left: Tailscaled;
let right: Tailscaled;

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  parts = await Parts.start(network.hostAddress);
  nats = {
    left: await createNat(network, "left-nat", "kept"),
    right: await createNat(network, "right-nat", "changed"),
  };
  await Promise.all(Object.values(nats).map((nat) => nat.setUdp(false)));
  [left, right] = await Promise.all([joined("left", nats.left), joined("right", nats.right)]);
  await Promise.all([left.untilPeer("right"), right.untilPeer("left")]);
});

afterAll(async () => {
  await Promise.all([left?.stop(), right?.stop()]);
  await parts?.stop();
  await nats?.left.close();
  await nats?.right.close();
  await network?.close();
});

async function joined(hostname: string, nat: Nat): Promise<Tailscaled> {
  const node = await Tailscaled.start({ hostname, namespace: await nat.attach(hostname), mode: "tun" });
  await node.up(parts.controlUrl, [`--auth-key=${parts.authKey}`]);
  return node;
}

/** `tailscale netcheck`, the parts that matter here. */
interface NetcheckReport {
  readonly UDP: boolean;
  readonly IPv4: boolean;
  readonly GlobalV4: string;
  readonly PreferredDERP: number;
  /** Nanoseconds by region. */
  readonly RegionLatency: Readonly<Record<string, number>>;
}

/** The first report that has a measure: the client gives a busy machine five seconds, then none. */
async function netcheck(node: Tailscaled): Promise<NetcheckReport> {
  return await until("a measure", async () => {
    const report = JSON.parse(await node.run(["netcheck", "--format=json"])) as NetcheckReport;
    return report.PreferredDERP !== 0 && report;
  });
}

function expectSaneLatency({ PreferredDERP, RegionLatency }: NetcheckReport): void {
  expect(PreferredDERP).toBe(900);
  expect(Object.keys(RegionLatency)).toEqual(["900"]);
  expect(RegionLatency["900"]).toBeGreaterThan(1_000); // over a microsecond: it was measured
  expect(RegionLatency["900"]).toBeLessThan(5e9); // the client's own patience
}

const namespaceOf = (node: Tailscaled): Namespace => node.namespace as Namespace;

it("is measured by HTTPS and called home where no UDP passes", async () => {
  const report = await netcheck(left);
  expect(report).toMatchObject({ UDP: false });
  expectSaneLatency(report);
});

it("carries 100 MB unharmed between nodes behind NATs, both ways at once, and through a restart under load", async () => {
  expect(await left.ping("right")).toMatchObject({ path: "derp", via: "self" });
  const address = await right.ip4();
  await startFarEnd(namespaceOf(right), address, FAR_PORT);
  const exchange = startExchange(namespaceOf(left), `http://${address}:${FAR_PORT}`, { down: 100 * MB, up: 20 * MB });
  await exchange.untilReceived(10 * MB);
  await parts.kill(["worker"]);
  await parts.start();
  await exchange.untilUnharmed();
  const peer = await left.untilPeer("right");
  expect(peer).toMatchObject({ CurAddr: "", Relay: "self" });
});

it("carries what a tsnet program and a browser say to a node that only it can reach", async () => {
  const address = await right.ip4();
  const web = await startWebServer({ namespace: namespaceOf(right), address, port: 80, body: "behind a NAT" });
  const tsnet = await TsnetPeer.start({
    controlUrl: parts.controlUrl,
    authKey: parts.authKey,
    hostname: "program",
    namespace: await nats.left.attach("program"),
  });
  const browser = await WasmClient.start({
    controlUrl: parts.workerUrl,
    authKey: parts.authKey,
    hostname: "browser",
    namespace: await nats.left.attach("browser"),
    trust: parts.certificatePath,
  });
  await Promise.all([tsnet.untilRunning(), browser.untilState("Running")]);
  await browser.untilNetMap("the node", (map) => map.peers.some(({ name }) => name.startsWith("right.")));
  expect((await tsnet.fetch("http://right.tail.internal/")).body).toBe("behind a NAT");
  expect((await browser.fetch("http://right.tail.internal/")).body).toBe("behind a NAT");
  await Promise.all([tsnet.stop(), browser.stop(), web.stop()]);
});

it("is left for a direct path, in the middle of a transfer, when UDP passes", async () => {
  const address = await right.ip4();
  const exchange = startExchange(namespaceOf(left), `http://${address}:${FAR_PORT}`, { down: 50 * MB, up: 10 * MB });
  await exchange.untilReceived(MB);
  await Promise.all(Object.values(nats).map((nat) => nat.setUdp(true)));
  // A client that saw no UDP looks again when its network changes, or after some minutes.
  await Promise.all([left, right].map((node) => node.run(["debug", "rebind"])));
  await Promise.all([left, right].map((node) => node.run(["debug", "restun"])));
  const pong = await left.pingDirect("right", { timeoutMs: 60_000 });
  expect(pong.via.startsWith(`${nats.right.address}:`)).toBe(true);
  await exchange.untilUnharmed();
  await left.untilPeer("right", ({ CurAddr }) => CurAddr.startsWith(`${nats.right.address}:`));
});

it("is measured by our STUN server, which tells a node the address of its NAT", async () => {
  for (const [node, nat] of [
    [left, nats.left],
    [right, nats.right],
  ] as const) {
    const report = await netcheck(node);
    expect(report).toMatchObject({ UDP: true, IPv4: true });
    expect(report.GlobalV4.startsWith(`${nat.address}:`)).toBe(true);
    expectSaneLatency(report);
  }
});

it("has nothing to complain about in the client's own test of a relay", async () => {
  const report = JSON.parse(await left.run(["debug", "derp", "900"])) as {
    readonly Info: readonly string[] | null;
    readonly Warnings: readonly string[] | null;
    readonly Errors: readonly string[] | null;
  };
  // It dials every relay by IPv6 too, whatever the map says, and this network has none.
  expect((report.Errors ?? []).filter((error) => !error.includes("over IPv6: "))).toEqual([]);
  expect(report.Info?.join("\n")).toMatch(/successfully/i);
});

/** What `flarescale derp-check --json` prints. */
interface DerpCheck {
  readonly ok: boolean;
  readonly regions: readonly {
    readonly region: number;
    readonly checks: readonly { readonly check: string; readonly status: string; readonly detail: string }[];
  }[];
}

async function derpCheck(namespace: Namespace, ...options: readonly string[]) {
  const output = await namespace.exec([process.execPath, AGENT, "derp-check", "--json", ...options], 60_000);
  if (output.stdout === "") throw new Error(output.stderr);
  const { ok, regions } = JSON.parse(output.stdout) as DerpCheck;
  const statuses = regions.flatMap(({ checks }) => checks.map(({ check, status }) => [check, status]));
  return { code: output.code, ok, details: regions[0]?.checks, statuses: Object.fromEntries(statuses) };
}

it("is found whole by derp-check, which joins for it and leaves nothing behind", async () => {
  const devices = await parts.api.devices();
  const place = await nats.left.attach("checker");
  const login = [`--login-server=${parts.controlUrl}`, `--auth-key=${parts.authKey}`];
  // What it compares are times of this machine, which may be busy; so one that finds something slow looks again.
  const found = await until("a calm moment", async () => {
    const finding = await derpCheck(place, ...login);
    return finding.details?.some(({ detail }) => detail.startsWith("slow: ")) ? undefined : finding;
  });
  expect(found).toMatchObject({ code: 0, ok: true });
  expect(Object.keys(found.statuses)).toEqual([
    "stun 900a",
    "https 900a",
    "relay 900a",
    "ping 900a",
    "throughput 900a",
  ]);
  expect(new Set(Object.values(found.statuses))).toEqual(new Set(["ok"]));
  expect(found.details?.[0]?.detail).toContain(`we are seen at ${nats.left.address}:`);
  expect(await parts.api.devices()).toHaveLength(devices.length);
});

it("is told apart from what is broken: UDP, a certificate, an admission", async () => {
  const place = await nats.right.attach("stranger");
  const map = JSON.parse(selfDerpMap(network.hostAddress, parts.gatewayAddress));
  const file = join(scratchDir("derp-check"), "map.json");
  const check = async () => {
    writeFileSync(file, JSON.stringify(map));
    return derpCheck(place, `--derp-map=${file}`);
  };
  expect(await check()).toMatchObject({ code: 0, statuses: { "relay 900a": "ok", "throughput 900a": "skipped" } });
  await nats.right.setUdp(false);
  expect(await check()).toMatchObject({ code: 1, statuses: { "stun 900a": "problem", "https 900a": "ok" } });
  await nats.right.setUdp(true);
  map.Regions[900].Nodes[0].CertName = `sha256-raw:${"0".repeat(64)}`;
  expect(await check()).toMatchObject({ code: 1, statuses: { "stun 900a": "ok", "relay 900a": "problem" } });
});
