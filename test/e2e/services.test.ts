// Services between real nodes (api-v2.md 2.16, control-protocol.md 8.1): hosts serve one under its own name and
// addresses, a client that the policy admits uses it by name, and when the host that has it is lost another takes over.
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { createNetwork, type Namespace, type Network } from "./support/netns.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { until } from "./support/until.ts";
import { startWebServer } from "./support/web-server.ts";

const policy = {
  tagOwners: { "tag:host": [], "tag:client": [], "tag:stranger": [] },
  autoApprovers: { services: { "svc:web": ["tag:host"] } },
  grants: [{ src: ["tag:client"], dst: ["svc:web"], ip: ["tcp:80"] }],
};

let network: Network;
let flarescale: Flarescale;

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  flarescale = await startFlarescale({ listen: network.hostAddress });
  await flarescale.api.setPolicy(policy);
});

afterAll(async () => {
  await flarescale?.stop();
  await network?.close();
});

async function joined(hostname: string, tag: string): Promise<{ node: Tailscaled; namespace: Namespace }> {
  const namespace = await network.attach(hostname);
  const node = await Tailscaled.start({ hostname, mode: "tun", namespace });
  const { key } = await flarescale.api.createAuthKey({ tags: [tag] });
  await node.up(flarescale.controlUrl, [`--auth-key=${key}`]);
  return { node, namespace };
}

async function host(hostname: string): Promise<Tailscaled> {
  const { node, namespace } = await joined(hostname, "tag:host");
  const { port } = await startWebServer({ namespace, address: "127.0.0.1", body: `from ${hostname}` });
  await node.run(["serve", "--service=svc:web", "--bg", "--http=80", `http://127.0.0.1:${port}`]);
  return node;
}

it("serves a name of its own, and moves when its host is lost", async () => {
  await flarescale.api.request("PUT", "/tailnet/-/vip-services/svc:web", { name: "svc:web", ports: ["tcp:80"] });
  const [client, stranger, first] = await Promise.all([
    joined("client", "tag:client"),
    joined("stranger", "tag:stranger"),
    host("first"),
  ]);
  const { name } = await flarescale.api.deviceCalled("first");
  const url = `http://web${name.slice(name.indexOf("."))}/`;
  const answers = (body: string) => async () => (await client.namespace.fetch(url)).body === body;
  await until("the first host answers by the Service's name", answers("from first"));

  const { addrs } = await flarescale.api.request<{ addrs: string[] }>("GET", "/tailnet/-/vip-services/svc:web");
  expect(await client.namespace.lookup(new URL(url).hostname)).toContain(addrs[0]);
  await expect(stranger.namespace.lookup(new URL(url).hostname)).rejects.toThrow();
  await expect(stranger.namespace.fetch(`http://${addrs[0]}/`, 2_000)).rejects.toThrow();

  await host("second");
  await until("both hosts are ready", async () => {
    const path = "/tailnet/-/services/svc:web/devices";
    const { hosts } = await flarescale.api.request<{ hosts: { configured: string }[] }>("GET", path);
    return hosts.length === 2 && hosts.every(({ configured }) => configured === "ready");
  });
  await first.kill();
  await until("the second host has taken over", answers("from second"));

  await flarescale.api.request("DELETE", "/tailnet/-/vip-services/svc:web");
  await until("the name is gone", async () => {
    const found = await client.namespace.lookup(new URL(url).hostname).catch(() => []);
    return found.length === 0;
  });
});
