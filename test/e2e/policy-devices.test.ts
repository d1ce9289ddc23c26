// Rules that depend on whose device it is, and on how the device is, between real nodes with TUN devices: autogroup:self
// opens the devices of one user to each other and to nobody else, and a posture attribute that the REST API sets decides
// at once, on connections that stand as well.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { Browser } from "./support/browser.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { peersOf } from "./support/local-api.ts";
import { createNetwork, type Namespace, type Network } from "./support/netns.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { startTransfer } from "./support/transfer.ts";
import { until } from "./support/until.ts";
import { startWebServer } from "./support/web-server.ts";

const policy = {
  tagOwners: { "tag:server": [] },
  postures: { "posture:managed": ["custom:managed == true", "node:os == 'linux'", "node:tsVersion >= '1.80'"] },
  grants: [
    { src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["tcp:80"] },
    { src: ["autogroup:member"], dst: ["tag:server"], ip: ["tcp:80"], srcPosture: ["posture:managed"] },
  ],
};

let network: Network;
let flarescale: Flarescale;
/** Two devices of the administrator's. */
let laptop: Tailscaled;
let phone: Tailscaled;
/** A device of somebody else's. */
let guest: Tailscaled;
let server: Tailscaled;

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  flarescale = await startFlarescale({ listen: network.hostAddress });
  await flarescale.api.setPolicy(policy);
  [laptop, phone, server, guest] = await Promise.all([
    started("laptop"),
    started("phone"),
    started("server"),
    started("guest"),
  ]);
  await Promise.all([joined(laptop), joined(phone), joined(server, ["tag:server"]), joinedAsGuest(guest)]);
  for (const node of [laptop, phone, guest, server]) {
    await startWebServer({ body: node.hostname, address: "0.0.0.0", port: 80, namespace: namespaceOf(node) });
  }
});

afterAll(async () => {
  await flarescale?.stop();
  await network?.close();
});

async function started(hostname: string): Promise<Tailscaled> {
  return Tailscaled.start({ hostname, mode: "tun", namespace: await network.attach(hostname) });
}

async function joined(node: Tailscaled, tags: readonly string[] = []): Promise<void> {
  const { key } = await flarescale.api.createAuthKey({ tags });
  await node.up(flarescale.controlUrl, [`--auth-key=${key}`]);
}

/** Invites a second user, who accepts and logs a device in at a browser. */
async function joinedAsGuest(node: Tailscaled): Promise<void> {
  const invites = [{ role: "member", email: "guest@example.com" }];
  const [invite] = await flarescale.api.request<{ inviteUrl: string }[]>("POST", "/tailnet/-/user-invites", invites);
  const browser = new Browser();
  const { html } = await browser.submit(await browser.open(invite?.inviteUrl ?? ""), "/invite/");
  const [, token = ""] = /<code>(tskey-api-[^<]+)<\/code>/.exec(html) ?? [];
  const { url, done } = await node.login(flarescale.controlUrl);
  await new Browser().approve(url, token);
  await done;
}

function namespaceOf({ hostname, namespace }: Tailscaled): Namespace {
  if (namespace === undefined) throw new Error(`${hostname} has no namespace`);
  return namespace;
}

async function reaches(from: Tailscaled, to: Tailscaled): Promise<boolean> {
  return namespaceOf(from)
    .fetch(`http://${await to.ip4()}/`, 1_500)
    .then(
      ({ body }) => body === to.hostname,
      () => false,
    );
}

async function peerNames(node: Tailscaled): Promise<string[]> {
  return peersOf(await node.status())
    .map(({ HostName }) => HostName)
    .sort();
}

describe("a grant to autogroup:self", () => {
  it("opens the devices of one user to each other", async () => {
    await Promise.all([laptop.untilPeer("phone"), phone.untilPeer("laptop")]);
    await until("the phone answers", () => reaches(laptop, phone));
    await until("the laptop answers", () => reaches(phone, laptop));
    expect(await peerNames(laptop)).toEqual(["phone"]);
  });

  it("hides them from the devices of others, whose packets they drop, and the other way round", async () => {
    expect((await guest.status()).User).toMatchObject({
      [(await guest.status()).Self.UserID]: { LoginName: "guest@example.com" },
    });
    expect(await peerNames(guest)).toEqual([]);
    const pairs = [
      [guest, laptop],
      [laptop, guest],
      [phone, guest],
      [server, laptop],
    ] as const;
    for (const [from, to] of pairs) expect(await reaches(from, to), `${from.hostname} → ${to.hostname}`).toBe(false);
  });
});

describe("a rule with srcPosture", () => {
  async function setManaged(node: Tailscaled, value: boolean | null): Promise<void> {
    const { nodeId } = await flarescale.api.deviceCalled(node.hostname);
    const path = `/device/${nodeId}/attributes/custom:managed`;
    await (value === null ? flarescale.api.request("DELETE", path) : flarescale.api.request("POST", path, { value }));
  }

  /** Waits until a node and the server do, or do not, see each other, both of them. */
  async function untilPeers(node: Tailscaled, isSeen: boolean): Promise<void> {
    for (const [viewer, peer] of [
      [node, server],
      [server, node],
    ] as const) {
      await viewer.untilStatus(`${peer.hostname} is ${isSeen ? "seen" : "gone"}`, (status) => {
        return peersOf(status).some(({ HostName }) => HostName === peer.hostname) === isSeen;
      });
    }
  }

  it("lets nobody in who does not meet it, nor shows them the server", async () => {
    expect(await peerNames(server)).toEqual([]);
    expect(await reaches(laptop, server)).toBe(false);
  });

  it("lets in the device that meets it from now on, and no other of the same user", async () => {
    await setManaged(laptop, true);
    await untilPeers(laptop, true);
    await until("the server answers", () => reaches(laptop, server));
    expect(await peerNames(phone)).toEqual(["laptop"]);
    expect(await reaches(phone, server)).toBe(false);
  });

  it("cuts a running connection when the device meets it no more, and lets it go on when it does again", async () => {
    await setManaged(phone, true);
    await untilPeers(phone, true);
    const drip = `http://${await server.ip4()}/drip`;
    const cut = await startTransfer(namespaceOf(laptop), drip);
    const other = await startTransfer(namespaceOf(phone), drip);
    for (const unmet of [false, null]) {
      await setManaged(laptop, unmet);
      await untilPeers(laptop, false);
      await cut.untilSilent();
      expect(await reaches(laptop, server)).toBe(false);
      await other.untilMore();
      await setManaged(laptop, true);
      await untilPeers(laptop, true);
      await cut.untilMore(60_000); // TCP tries again ever more rarely
    }
    await Promise.all([cut.stop(), other.stop()]);
  });
});
