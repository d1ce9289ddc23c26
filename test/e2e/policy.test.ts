// Policies between real nodes with TUN devices: what a rule allows goes through, what none allows is dropped by the
// receiving node itself, and a new policy holds at once, on connections that stand as well.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { peersOf } from "./support/local-api.ts";
import { createNetwork, type Network } from "./support/netns.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { startTransfer } from "./support/transfer.ts";
import { until } from "./support/until.ts";
import { startWebServer } from "./support/web-server.ts";

const admin = "admin@localhost"; // who owns what joins with the key of `npm start`
const owned = { tagOwners: { "tag:server": [], "tag:stranger": [] }, groups: { "group:operators": [admin] } };
const droppedMs = 1_500;

let network: Network;
let flarescale: Flarescale;
let laptop: Tailscaled;
let server: Tailscaled;
let stranger: Tailscaled;
let serverAddress: string;

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  flarescale = await startFlarescale({ listen: network.hostAddress });
  await flarescale.api.setPolicy({ ...owned, acls: [accept(["*"], ["*:*"])] });
  laptop = await joined("laptop");
  server = await joined("server", ["tag:server"]);
  stranger = await joined("stranger", ["tag:stranger"]);
  serverAddress = await server.ip4();
  for (const port of [80, 8080, 8081]) {
    await startWebServer({ body: `port ${port}`, address: "0.0.0.0", port, namespace: server.namespace });
  }
  await startWebServer({ body: "the laptop", address: "0.0.0.0", port: 80, namespace: laptop.namespace });
  await Promise.all([laptop.untilPeer("server"), stranger.untilPeer("server"), server.untilPeer("laptop")]);
});

afterAll(async () => {
  await flarescale?.stop();
  await network?.close();
});

function accept(src: readonly string[], dst: readonly string[]) {
  return { action: "accept", src, dst };
}

async function joined(hostname: string, tags: readonly string[] = []): Promise<Tailscaled> {
  const node = await Tailscaled.start({ hostname, mode: "tun", namespace: await network.attach(hostname) });
  const { key } = await flarescale.api.createAuthKey({ tags });
  await node.up(flarescale.controlUrl, [`--auth-key=${key}`]);
  return node;
}

/** What a node gets from a URL; "dropped" when nothing answers at all. */
async function get(from: Tailscaled, url: string): Promise<string> {
  const { namespace } = from;
  if (namespace === undefined) throw new Error(`${from.hostname} has no namespace`);
  try {
    return (await namespace.fetch(url, droppedMs)).body;
  } catch (error) {
    if (/TimeoutError/.test((error as Error).message)) return "dropped";
    throw error;
  }
}

/** What a node gets from a URL that it may reach: a packet that is lost on a busy machine is sent again. */
async function reply(from: Tailscaled, url: string): Promise<string> {
  return (await namespaceOf(from).fetch(url)).body;
}

/** Replaces the policy and waits until `node` sees, or no longer sees, `peer`. */
async function setPolicy(policy: object, node: Tailscaled, peer: string, isSeen: boolean): Promise<void> {
  await flarescale.api.setPolicy({ ...owned, ...policy });
  await node.untilStatus(`${peer} is ${isSeen ? "seen" : "gone"}`, (status) => {
    return peersOf(status).some(({ HostName }) => HostName === peer) === isSeen;
  });
}

describe("a policy of users, groups, tags, hosts and ports", () => {
  beforeAll(async () => {
    const policy = {
      hosts: { "the-web": serverAddress },
      acls: [accept(["group:operators"], ["tag:server:80"]), accept([admin], ["the-web:8080-8080"])],
    };
    await setPolicy(policy, laptop, "stranger", false);
  });

  it("lets through what it names", async () => {
    expect(await reply(laptop, "http://server/")).toBe("port 80");
    expect(await reply(laptop, `http://${serverAddress}:8080/`)).toBe("port 8080");
  });

  it("has everything else dropped, replies aside", async () => {
    expect(await get(laptop, "http://server:8081/")).toBe("dropped");
    expect(await get(server, `http://${await laptop.ip4()}/`)).toBe("dropped");
  });

  it("hides nodes from each other that no rule connects", async () => {
    expect(peersOf(await laptop.status()).map(({ HostName }) => HostName)).toEqual(["server"]);
    expect(peersOf(await server.status()).map(({ HostName }) => HostName)).toEqual(["laptop"]);
    expect(peersOf(await stranger.status())).toEqual([]);
    await expect(laptop.ping(await stranger.ip4(), "disco", 1_000)).rejects.toThrow();
  });

  it("stays in force when a bad one is refused, with a message that says where it is bad", async () => {
    const before = await flarescale.api.policy();
    const bad = '{\n  "acls": [\n    {"action": "accept", "src": ["group:nobody"], "dst": ["*:*"]},\n  ],\n}';
    await expect(flarescale.api.setPolicy(bad)).rejects.toThrow(/400 .*line 3, column \d+: .*group:nobody/);
    await expect(flarescale.api.setPolicy('{"acls": [')).rejects.toThrow(/400 .*line 1/);
    expect(await flarescale.api.policy()).toBe(before);
    expect(await reply(laptop, "http://server/")).toBe("port 80");
    expect(await get(laptop, "http://server:8081/")).toBe("dropped");
  });
});

describe("a policy that is replaced under a running transfer", () => {
  it("lets it go on when both allow it, and holds for new connections at once", async () => {
    await setPolicy({ acls: [accept([admin], ["tag:server:80"])] }, laptop, "server", true);
    const transfer = await startTransfer(namespaceOf(laptop), `http://${serverAddress}/drip`);
    await setPolicy({ acls: [accept(["*"], ["tag:server:80,8081"])] }, stranger, "server", true);
    await transfer.untilMore();
    await until("port 8081 is open", async () => (await get(laptop, "http://server:8081/")) === "port 8081");
    expect(await reply(stranger, `http://${serverAddress}/`)).toBe("port 80");
    await transfer.untilMore();

    await setPolicy({ acls: [accept([admin], ["tag:server:8080"])] }, stranger, "server", false);
    await until("port 80 is closed", async () => (await get(laptop, "http://server/")) === "dropped");
    expect(await reply(laptop, "http://server:8080/")).toBe("port 8080");

    await setPolicy({ acls: [] }, laptop, "server", false);
    await transfer.untilSilent();
    await transfer.stop();
  });
});

describe("a grant", () => {
  it("shows its application capability to the node that is asked for", async () => {
    const capability = { "example.com/cap/notes": [{ shelves: ["cooking"] }] };
    const grant = { src: [admin], dst: ["tag:server"], ip: ["tcp:80"], app: capability };
    await setPolicy({ grants: [grant] }, laptop, "server", true);
    expect(await reply(laptop, "http://server/")).toBe("port 80");
    expect(await get(laptop, "http://server:8080/")).toBe("dropped");
    const { CapMap, UserProfile } = await whois(server, await laptop.ip4());
    expect(UserProfile.LoginName).toBe(admin);
    expect(CapMap).toMatchObject(capability);
    expect((await whois(laptop, serverAddress)).CapMap ?? {}).not.toHaveProperty("example.com/cap/notes");
  });
});

describe("the nodes", () => {
  it("have nothing unexpected in their logs", () => {
    const dropped = /open-conn-track: flow TCP .* rejected due to acl/;
    for (const node of [laptop, server, stranger]) expect(node.logErrors(dropped)).toEqual([]);
  });
});

async function whois(node: Tailscaled, address: string) {
  return JSON.parse(await node.run(["whois", "--json", address])) as {
    UserProfile: { LoginName: string };
    CapMap: Record<string, unknown> | null;
  };
}

function namespaceOf({ hostname, namespace }: Tailscaled) {
  if (namespace === undefined) throw new Error(`${hostname} has no namespace`);
  return namespace;
}
