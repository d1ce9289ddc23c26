// Subnet routers and exit nodes between real nodes with TUN devices (control-protocol.md 5.10, policy.md 14, 15): what is
// advertised counts once it is approved, one of several routers of a prefix has it, and another takes over when that one
// is lost.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import type { Device } from "./support/api.ts";
import { mustExecute } from "./support/command.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { peersOf } from "./support/local-api.ts";
import { createNetwork, type Namespace, type Network } from "./support/netns.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { until } from "./support/until.ts";
import { startWebServer, type WebServer } from "./support/web-server.ts";

/** Everyone may use everything, and nothing is approved by itself but the routes of `tag:trusted`. */
const policy = {
  tagOwners: { "tag:trusted": [] },
  autoApprovers: { routes: { "10.0.0.0/8": ["tag:trusted"] }, exitNode: ["tag:trusted"] },
  acls: [{ action: "accept", src: ["*"], dst: ["*:*"] }],
};
const exitRoutes = ["0.0.0.0/0", "::/0"];
/** A change is told at once; this leaves a busy machine its time, and is below the 47 s between two keep-alives. */
const atOnce = { timeoutMs: 20_000 };

let wide: Network;
let office: Network;
let flarescale: Flarescale;
let laptop: Tailscaled;
let intranet: WebServer;

beforeAll(async () => {
  await clientBinaries();
  wide = await createNetwork();
  office = await createNetwork();
  flarescale = await startFlarescale({ listen: wide.hostAddress });
  await flarescale.api.setPolicy(policy);
  laptop = await joined(await wide.attach("laptop"), "laptop", ["--accept-routes"]);
  intranet = await startWebServer({ body: "the intranet", namespace: await office.attach("intranet") });
});

afterAll(async () => {
  await flarescale?.stop();
  await office?.close();
  await wide?.close();
});

async function joined(namespace: Namespace, hostname: string, args: readonly string[] = [], tags: string[] = []) {
  const node = await Tailscaled.start({ hostname, mode: "tun", namespace });
  const { key } = await flarescale.api.createAuthKey({ tags });
  await node.up(flarescale.controlUrl, [`--auth-key=${key}`, ...args]);
  return node;
}

/** A node with one foot in the wide network and one in another. */
async function router(hostname: string, args: readonly string[], tags: string[] = []): Promise<Tailscaled> {
  const namespace = await wide.attach(hostname);
  await office.join(namespace);
  await namespace.enableForwarding();
  return joined(namespace, hostname, [`--advertise-routes=${office.subnet}`, ...args], tags);
}

async function reaches(url: string): Promise<boolean> {
  const reply = laptop.namespace?.fetch(url, 1_500);
  return reply === undefined
    ? false
    : await reply.then(
        ({ status }) => status === 200,
        () => false,
      );
}

async function untilAdvertised(hostname: string, routes: readonly string[]): Promise<Device> {
  return until(`${hostname} advertises`, async () => {
    const device = await flarescale.api.deviceCalled(hostname);
    return routes.every((route) => device.advertisedRoutes.includes(route)) && device;
  });
}

/** Who has the office's subnet, as the laptop sees it. */
async function holders(): Promise<string[]> {
  const peers = peersOf(await laptop.status());
  return peers.filter((peer) => peer.PrimaryRoutes?.includes(office.subnet)).map(({ HostName }) => HostName);
}

describe("a subnet router", () => {
  let first: Tailscaled;

  beforeAll(async () => {
    first = await router("router-one", []);
    await laptop.untilPeer("router-one");
  });

  it("changes nothing while its routes are only advertised", async () => {
    const { nodeId } = await untilAdvertised("router-one", [office.subnet]);
    expect(await flarescale.api.routes(nodeId)).toEqual({ advertisedRoutes: [office.subnet], enabledRoutes: [] });
    expect((await laptop.untilPeer("router-one")).AllowedIPs).not.toContain(office.subnet);
    expect(await reaches(intranet.url)).toBe(false);
  });

  it("leads to its subnet at once when it is approved", async () => {
    const { nodeId } = await flarescale.api.deviceCalled("router-one");
    const routes = await flarescale.api.approveRoutes(nodeId, [office.subnet]);
    expect(routes).toEqual({ advertisedRoutes: [office.subnet], enabledRoutes: [office.subnet] });
    const peer = await laptop.untilPeer("router-one", ({ PrimaryRoutes }) => PrimaryRoutes !== undefined, atOnce);
    expect(peer).toMatchObject({ PrimaryRoutes: [office.subnet], AllowedIPs: expect.arrayContaining([office.subnet]) });
    await until("the intranet answers", () => reaches(intranet.url));
    expect((await first.status()).Self.PrimaryRoutes).toEqual([office.subnet]);
  });

  it("keeps a second router of the prefix in reserve, which takes over for good when the first is lost", async () => {
    const second = await router("router-two", [], ["tag:trusted"]);
    const { nodeId } = await untilAdvertised("router-two", [office.subnet]);
    expect((await flarescale.api.routes(nodeId)).enabledRoutes).toEqual([office.subnet]); // by autoApprovers
    expect(await holders()).toEqual(["router-one"]);

    await first.kill();
    await until("the other has it", async () => (await holders()).join() === "router-two");
    await until("the intranet answers again", () => reaches(intranet.url));

    const { namespace, stateDir } = first;
    const again = await Tailscaled.start({ hostname: "router-one", mode: "tun", namespace, stateDir });
    await again.untilStatus("running", ({ BackendState }) => BackendState === "Running");
    await laptop.untilPeer("router-one", ({ Online }) => Online);
    expect(await holders()).toEqual(["router-two"]);
    await until("the intranet still answers", () => reaches(intranet.url));
    expect((await second.status()).Self.PrimaryRoutes).toEqual([office.subnet]);
    expect((await again.status()).Self.PrimaryRoutes ?? []).toEqual([]);

    await flarescale.api.approveRoutes(nodeId, []);
    await until("the first has it again", async () => (await holders()).join() === "router-one", atOnce);
    await again.stop();
    await second.stop();
  });
});

describe("an exit node", () => {
  // Reserved for documentation: public to every program, and nowhere to be found. It is a hop behind the exit node, which
  // lets nobody into the networks that it is in itself.
  const siteAddress = "203.0.113.80";
  let exit: Tailscaled;
  let exitAddress: string;
  let website: WebServer;

  beforeAll(async () => {
    const internet = await office.attach("internet");
    await mustExecute(internet.command(["ip", "addr", "add", siteAddress, "dev", "lo"]));
    website = await startWebServer({ body: "a web site", namespace: internet, address: siteAddress });
    const namespace = await wide.attach("exit");
    exitAddress = await office.join(namespace);
    await mustExecute(namespace.command(["ip", "route", "add", siteAddress, "via", internet.address]));
    await namespace.enableForwarding();
    exit = await joined(namespace, "exit", ["--advertise-exit-node"]);
    await laptop.untilPeer("exit");
  });

  it("is offered once it is approved", async () => {
    const { nodeId } = await untilAdvertised("exit", exitRoutes);
    expect((await laptop.untilPeer("exit")).ExitNodeOption).toBe(false);
    const refused = await laptop.cli(["set", "--exit-node=exit"]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("not advertising an exit node") });
    await flarescale.api.approveRoutes(nodeId, exitRoutes);
    const peer = await laptop.untilPeer("exit", ({ ExitNodeOption }) => ExitNodeOption, atOnce);
    expect(peer.PrimaryRoutes ?? []).toEqual([]);
    expect(await laptop.run(["exit-node", "list"])).toMatch(/exit\.tail\.internal/);
  });

  it("carries the traffic of those who chose it, and of nobody else", async () => {
    expect(await reaches(website.url)).toBe(false);
    await laptop.run(["set", "--exit-node=exit"]);
    await laptop.untilPeer("exit", ({ ExitNode }) => ExitNode);
    await until("the web site answers", () => reaches(website.url));
    expect((await laptop.namespace?.fetch(`${website.url}/from`))?.body).toBe(exitAddress);
    await laptop.run(["set", "--exit-node="]);
    expect(await reaches(website.url)).toBe(false);
  });

  it("is offered to those only whom the policy lets into the internet", async () => {
    await flarescale.api.setPolicy({
      ...policy,
      acls: [{ action: "accept", src: ["*"], dst: ["exit:80"] }],
      hosts: { exit: await exit.ip4() },
    });
    await laptop.untilPeer("exit", ({ ExitNodeOption }) => !ExitNodeOption, atOnce);
    const internet = { action: "accept", src: ["*"], dst: ["autogroup:internet:*"] };
    await flarescale.api.setPolicy({ ...policy, acls: [internet] });
    await laptop.untilPeer("exit", ({ ExitNodeOption }) => ExitNodeOption, atOnce);
    await laptop.run(["set", "--exit-node=exit"]);
    await until("the web site answers", () => reaches(website.url));
    await laptop.run(["set", "--exit-node="]);
  });

  it("is approved by the policy itself when it says so", async () => {
    const namespace = await wide.attach("trusted-exit");
    await joined(namespace, "trusted-exit", ["--advertise-exit-node"], ["tag:trusted"]);
    expect((await untilAdvertised("trusted-exit", exitRoutes)).enabledRoutes).toEqual(exitRoutes);
    await laptop.untilPeer("trusted-exit", ({ ExitNodeOption }) => ExitNodeOption, atOnce);
  });
});
