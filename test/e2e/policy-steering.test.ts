// What a policy says about the way of packets, between real nodes with TUN devices: `via` sends each group of clients
// through its own router of one and the same subnet, and an exit node serves those whom autogroup:internet lets out,
// into the internet and nowhere else. The far end tells whose packets it got: routers put their own address on them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { mustExecute } from "./support/command.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { peersOf } from "./support/local-api.ts";
import { createNetwork, type Namespace, type Network } from "./support/netns.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { until } from "./support/until.ts";
import { startWebServer, type WebServer } from "./support/web-server.ts";

const tags = ["tag:blue", "tag:green", "tag:one", "tag:two"];
const routers = ["tag:one", "tag:two"];
const droppedMs = 1_500;
const siteAddress = "203.0.113.80"; // for documentation: public to every program; here a hop behind the office

let wide: Network;
let office: Network;
let flarescale: Flarescale;
let blue: Tailscaled;
let green: Tailscaled;
let intranet: WebServer;
let website: WebServer;
/** Office addresses of the routers. */
const at = { one: "", two: "" };

beforeAll(async () => {
  await clientBinaries();
  wide = await createNetwork();
  office = await createNetwork();
  flarescale = await startFlarescale({ listen: wide.hostAddress });
  await setPolicy([{ src: ["*"], dst: ["*"], ip: ["*"] }]);
  const internet = await office.attach("internet");
  await mustExecute(internet.command(["ip", "addr", "add", siteAddress, "dev", "lo"]));
  const namespace = await office.attach("intranet");
  [intranet, website] = await Promise.all([
    startWebServer({ body: "the intranet", namespace, port: 80 }),
    startWebServer({ body: "a web site", namespace: internet, address: siteAddress }),
  ]);
  await startWebServer({ body: "more of the intranet", namespace, port: 81 });
  await startRouter("one", internet, ["--advertise-exit-node"]);
  await startRouter("two", internet);
  [blue, green] = await Promise.all([startClient("blue"), startClient("green")]);
});

afterAll(async () => {
  await flarescale?.stop();
  await office?.close();
  await wide?.close();
});

async function setPolicy(grants: readonly object[]): Promise<void> {
  await flarescale.api.setPolicy({
    tagOwners: Object.fromEntries(tags.map((tag) => [tag, []])),
    autoApprovers: { routes: { [office.subnet]: routers }, exitNode: ["tag:one"] },
    grants,
  });
}

async function joined(namespace: Namespace, hostname: string, args: readonly string[]): Promise<Tailscaled> {
  const node = await Tailscaled.start({ hostname, mode: "tun", namespace });
  const { key } = await flarescale.api.createAuthKey({ tags: [`tag:${hostname}`] });
  await node.up(flarescale.controlUrl, [`--auth-key=${key}`, ...args]);
  return node;
}

/** A node with one foot in the office, which knows the way to the internet behind it. */
async function startRouter(
  hostname: keyof typeof at,
  internet: Namespace,
  args: readonly string[] = [],
): Promise<void> {
  const namespace = await wide.attach(hostname);
  at[hostname] = await office.join(namespace);
  await mustExecute(namespace.command(["ip", "route", "add", siteAddress, "via", internet.address]));
  await namespace.enableForwarding();
  await joined(namespace, hostname, [`--advertise-routes=${office.subnet}`, ...args]);
}

async function startClient(hostname: string): Promise<Tailscaled> {
  return joined(await wide.attach(hostname), hostname, ["--accept-routes"]);
}

/** Whose packets the far end got; "nobody's" when none came through. */
async function senderSeenBy({ url }: WebServer, node: Tailscaled): Promise<string> {
  const reply = node.namespace?.fetch(`${url}/from`, droppedMs);
  return (await reply?.then(({ body }) => body).catch(() => undefined)) ?? "nobody's";
}

async function untilSeen(server: WebServer, node: Tailscaled, sender: string): Promise<void> {
  await until(`${server.url} gets packets of ${node.hostname} from ${sender}`, async () => {
    return (await senderSeenBy(server, node)) === sender;
  });
}

async function untilPeersAre(node: Tailscaled, ...names: string[]): Promise<void> {
  await node.untilStatus(`its peers are [${names.join()}]`, (status) => {
    return (
      peersOf(status)
        .map(({ HostName }) => HostName)
        .join() === names.join()
    );
  });
}

describe("grants with via to one subnet", () => {
  const through = (client: string, router: string) => {
    return { src: [`tag:${client}`], dst: [office.subnet], ip: ["tcp:80"], via: [`tag:${router}`] };
  };

  it("send each group of clients through its own router", async () => {
    await setPolicy([through("blue", "one"), through("green", "two")]);
    await Promise.all([untilSeen(intranet, blue, at.one), untilSeen(intranet, green, at.two)]);
    await setPolicy([through("blue", "two"), through("green", "one")]);
    await Promise.all([untilSeen(intranet, blue, at.two), untilSeen(intranet, green, at.one)]);
  });

  it("show a client its own router alone, and let nothing through but what they name", async () => {
    await Promise.all([untilPeersAre(blue, "two"), untilPeersAre(green, "one")]);
    const other = { ...intranet, url: intranet.url.replace(/:80$/, ":81") };
    expect(await senderSeenBy(other, blue)).toBe("nobody's");
    await untilSeen(intranet, blue, at.two);
  });

  it("leave a group without a way when its router is none of the subnet's, though there are others", async () => {
    await setPolicy([through("blue", "green"), through("green", "one")]);
    await untilPeersAre(blue);
    expect(await senderSeenBy(intranet, blue)).toBe("nobody's");
    await untilSeen(intranet, green, at.one);
  });
});

describe("a grant to autogroup:internet", () => {
  const ssh = { src: ["tag:green"], dst: ["tag:one"], ip: ["tcp:22"] };

  beforeAll(async () => {
    await setPolicy([{ src: ["tag:blue"], dst: ["autogroup:internet"], ip: ["*"] }, ssh]);
    await blue.untilPeer("one", ({ ExitNodeOption }) => ExitNodeOption);
    await blue.run(["set", "--exit-node=one"]);
  });

  it("opens the exit node to those whom it names, and to nobody else who sees it", async () => {
    await untilSeen(website, blue, at.one);
    await green.untilPeer("one", ({ ExitNodeOption }) => !ExitNodeOption);
    const refused = await green.cli(["set", "--exit-node=one"]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("not advertising an exit node") });
    expect(await senderSeenBy(website, green)).toBe("nobody's");
  });

  it("does not open the subnet that the exit node serves besides, which a grant to everything does", async () => {
    expect(await senderSeenBy(intranet, blue)).toBe("nobody's");
    await untilSeen(website, blue, at.one);
    await setPolicy([{ src: ["tag:blue"], dst: ["*"], ip: ["*"] }, ssh]);
    await untilSeen(intranet, blue, at.one);
    await untilSeen(website, blue, at.one);
  });

  it("takes the exit node away from those who use it when it is gone", async () => {
    await setPolicy([{ src: ["tag:blue"], dst: ["tag:one"], ip: ["*"] }, ssh]);
    await until("the web site is out of reach", async () => (await senderSeenBy(website, blue)) === "nobody's");
    await blue.untilPeer("one", ({ ExitNodeOption }) => !ExitNodeOption);
  });
});
