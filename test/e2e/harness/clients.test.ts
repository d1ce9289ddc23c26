// The helpers that drive real clients, against upstream's own control server: what fails here is no fault of ours.
import { existsSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientBinaries, clientVersions } from "../../clients/build.ts";
import { type Derper, startDerper } from "../support/derper.ts";
import { createNetwork, type Network } from "../support/netns.ts";
import { type ReferenceControl, startReferenceControl } from "../support/reference-control.ts";
import { Tailscaled, type TailscaledOptions } from "../support/tailscaled.ts";
import { TsnetPeer } from "../support/tsnet-peer.ts";
import { WasmClient } from "../support/wasm/client.ts";
import { startWebServer } from "../support/web-server.ts";

/** The reference server says that it is 2020, which clients find strange. */
const wrongTime = /delta-adjusted current time is before hardcoded epoch/;

let network: Network;
let derper: Derper;
let control: ReferenceControl;

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  derper = await startDerper({ address: network.hostAddress });
  control = await startReferenceControl([derper.region()], network.hostAddress);
});

afterAll(async () => {
  await control?.stop();
  await derper?.stop();
  await network?.close();
});

async function joined(hostname: string, options: TailscaledOptions = {}): Promise<Tailscaled> {
  const namespace = await network.attach(hostname);
  const node = await Tailscaled.start({ hostname, namespace, ...options });
  await node.up(control.controlUrl, ["--auth-key=any"]);
  return node;
}

describe("the builds", () => {
  it("are there, and are not built again", async () => {
    const builtAt = Object.values((await clientBinaries()).current).map((file) => statSync(file).mtimeMs);
    const { current, older } = await clientBinaries();
    expect([...Object.values(current), ...Object.values(older)].every((path) => existsSync(path))).toBe(true);
    expect(Object.values(current).map((file) => statSync(file).mtimeMs)).toEqual(builtAt);
  });

  it.each(["current", "older"] as const)("start and need a login: %s", async (release) => {
    const namespace = await network.attach(`fresh-${release}`);
    const node = await Tailscaled.start({ hostname: "fresh", release, namespace });
    const status = await node.status();
    expect(status).toMatchObject({ BackendState: "NeedsLogin", Version: clientVersions[release].version });
    expect((await node.cli(["status"])).stdout).toMatch(/Logged out/);
    expect(node.logErrors()).toEqual([]);
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });
});

describe("two machines with a TUN device, one of them old", () => {
  let laptop: Tailscaled;
  let server: Tailscaled;

  beforeAll(async () => {
    laptop = await joined("laptop", { mode: "tun" });
    server = await joined("server", { mode: "tun", release: "older" });
    await laptop.untilPeer("server");
  });

  it("reach each other directly, after the relay", async () => {
    expect((await laptop.ping("server")).path).toMatch(/direct|derp/);
    expect(await laptop.pingDirect("server")).toMatchObject({ path: "direct" });
    expect(await server.pingDirect("laptop")).toMatchObject({ path: "direct" });
    expect(await laptop.ping("server", "TSMP")).toMatchObject({ path: "unknown" });
  });

  it("talk by MagicDNS name", async () => {
    const address = await server.ip4();
    const web = await startWebServer({ body: "hello", address: "0.0.0.0", port: 80, namespace: server.namespace });
    expect(await laptop.namespace?.lookup("server.reference.test")).toContain(address);
    expect(await laptop.namespace?.fetch("http://server/")).toEqual({ status: 200, body: "hello" });
    expect((await laptop.namespace?.fetch("http://server/from"))?.body).toBe(await laptop.ip4());
    await web.stop();
  });

  it("send nothing beyond their network, and complain about nothing", async () => {
    for (const node of [laptop, server]) {
      const counters = (await node.namespace?.exec(["cat", "/proc/net/snmp"]))?.stdout ?? "";
      expect(counterOf(counters, "Ip", "OutNoRoutes"), node.hostname).toBe(0);
      expect(node.logErrors(wrongTime), node.hostname).toEqual([]);
    }
  });

  it("come back with their state after a power cut", async () => {
    const before = await server.ip4();
    const { namespace, stateDir } = server;
    expect(await server.kill()).toEqual({ code: null, signal: "SIGKILL" });
    server = await Tailscaled.start({ hostname: "server", release: "older", mode: "tun", namespace, stateDir });
    await server.untilStatus("running", ({ BackendState }) => BackendState === "Running");
    expect(await server.ip4()).toBe(before);
    await laptop.pingDirect("server");
  });
});

describe("nodes without a TUN device", () => {
  it("fetch through their proxy from a program with tsnet, and the other way round", async () => {
    const user = await joined("user");
    const namespace = await network.attach("web");
    const { controlUrl } = control;
    const peer = await TsnetPeer.start({ controlUrl, hostname: "web", authKey: "any", namespace });
    const { dnsName, ips } = await peer.untilRunning();
    expect(dnsName).toBe("web.reference.test");
    await user.untilPeer("web");
    expect(await user.fetch(`http://${ips[0]}/`)).toEqual({ status: 200, body: "web" });
    const local = await startWebServer({
      body: "at user",
      port: 8000,
      address: "127.0.0.1",
      namespace: user.namespace,
    });
    expect(await peer.fetch("http://user:8000/")).toEqual({ status: 200, body: "at user" });
    expect((await peer.status()).Self.HostName).toBe("web");
    expect(peer.states.at(-1)).toBe("Running");
    expect([...user.logErrors(wrongTime), ...peer.logErrors(wrongTime)]).toEqual([]);
    await Promise.all([local.stop(), peer.stop(), user.stop()]);
  });

  it("refuse what might reach beyond the machine", async () => {
    await expect(Tailscaled.start({ release: "older" })).rejects.toThrow(/namespace/);
    await expect(Tailscaled.start({ mode: "tun" })).rejects.toThrow(/namespace/);
    const onHost = await Tailscaled.start();
    await expect(onHost.up("https://control.example.com")).rejects.toThrow(/loopback/);
    await onHost.stop();
  });
});

describe("the browser client", () => {
  it("joins over WebSockets and fetches through the relay", async () => {
    const { controlUrl } = control;
    const peer = await TsnetPeer.start({ controlUrl, hostname: "site", authKey: "any" });
    await peer.untilRunning();
    const trust = derper.certificatePath;
    const browser = await WasmClient.start({ controlUrl, hostname: "browser", authKey: "any", trust });
    await browser.untilState("Running");
    expect(browser.states).toEqual(["NoState", "NeedsLogin", "Starting", "Running"]);
    const netMap = await browser.untilNetMap("sees site", ({ peers }) =>
      peers.some(({ name }) => /^site\./.test(name)),
    );
    expect(netMap.self.machineStatus).toBe("MachineAuthorized");
    expect(await browser.fetch("http://site/")).toEqual({ status: 200, body: "site" });
    expect(browser.panics).toEqual([]);
    await browser.stop();
    await peer.stop();
  });
});

describe("a login", () => {
  it("waits for the URL that the server asks to open", async () => {
    const strict = await startReferenceControl([derper.region()], network.hostAddress, ["-require-login"]);
    const namespace = await network.attach("guest");
    const node = await Tailscaled.start({ hostname: "guest", namespace });
    const { url, done } = await node.login(strict.controlUrl);
    expect(url).toMatch(`${strict.controlUrl}/auth/`);
    expect((await fetch(url)).status).toBe(200);
    await done;
    expect((await node.status()).BackendState).toBe("Running");
    await node.stop();
    await strict.stop();
  });
});

/** A counter of /proc/net/snmp, which has a line of names and a line of values per protocol. */
function counterOf(text: string, protocol: string, name: string): number {
  const [names = "", values = ""] = text.split("\n").filter((line) => line.startsWith(`${protocol}:`));
  return Number(values.split(" ")[names.split(" ").indexOf(name)]);
}
