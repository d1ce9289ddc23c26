// Gateways between real clients and the Worker (control-protocol.md 1.5, 1.6, kubernetes.md 0.2): several at once, drained,
// killed, the Worker replaced behind them; and a control server with a host name on the ports 80 and 443, where clients
// that come back use TLS alone. Clients recover by themselves, as the nodes that they were.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { type Gateway, runDoctor, startGateway } from "./support/gateway.ts";
import { freeLoopbackPort } from "./support/local-http.ts";
import { createNetwork, type Namespace, type Network } from "./support/netns.ts";
import { startPlainProxy } from "./support/plain-proxy.ts";
import { nextNumber } from "./support/run.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { startTransfer, type Transfer } from "./support/transfer.ts";
import { startWebServer } from "./support/web-server.ts";

/** A client tries again after half a minute at the latest. */
const recoveryMs = 90_000;

let network: Network;

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
});

afterAll(async () => {
  await network?.close();
});

/** Waits until every node knows of something that happens only now: the first of them gets another name. */
async function untilAllHear(flarescale: Flarescale, nodes: readonly [Tailscaled, ...Tailscaled[]]): Promise<void> {
  const [renamed] = nodes;
  const name = `${renamed.hostname}-${nextNumber("name")}`;
  await flarescale.api.renameDevice((await flarescale.api.deviceCalled(renamed.hostname)).nodeId, name);
  for (const node of nodes) {
    await node.untilStatus(
      `it hears that ${renamed.hostname} is ${name}`,
      ({ Self, Peer }) =>
        [Self, ...Object.values(Peer ?? {})].some(({ DNSName }) => DNSName === `${name}.tail.internal.`),
      { timeoutMs: recoveryMs },
    );
  }
}

/** What makes a node the one that it is. */
async function identities({ api }: Flarescale) {
  const devices = await api.devices();
  return devices.map(({ hostname, nodeId, nodeKey, machineKey, addresses }) => {
    return { hostname, nodeId, nodeKey, machineKey, addresses };
  });
}

describe("two gateways in front of one Worker", () => {
  const bridges = 'bridges{kind="control"}';
  let flarescale: Flarescale;
  let second: Gateway;
  let secondPort: number;
  let near: Tailscaled;
  let far: Tailscaled;
  let transfer: Transfer;

  const startSecond = () =>
    startGateway({
      upstream: flarescale.workerUrl,
      listen: network.hostAddress,
      httpPort: secondPort,
      httpsPort: "off",
      args: ["--drain-seconds=8"],
    });

  beforeAll(async () => {
    flarescale = await startFlarescale({ listen: network.hostAddress });
    secondPort = await freeLoopbackPort();
    second = await startSecond();
    const farNamespace = await network.attach("far");
    const nearNamespace = await network.attach("near");
    near = await Tailscaled.start({ hostname: "near", mode: "tun", namespace: nearNamespace });
    far = await Tailscaled.start({ hostname: "far", mode: "tun", namespace: farNamespace });
    await near.up(flarescale.controlUrl, [`--auth-key=${flarescale.authKey}`]);
    await far.up(`http://${network.hostAddress}:${secondPort}`, [`--auth-key=${flarescale.authKey}`]);
    await near.untilPeer("far");
    await startWebServer({ body: "far away", namespace: farNamespace, address: "0.0.0.0", port: 80 });
    transfer = await startTransfer(nearNamespace, `http://${await far.ip4()}/drip`);
    await near.pingDirect("far"); // so that the transfer needs no relay
  });

  afterAll(async () => {
    await transfer?.stop();
    await near?.stop();
    await far?.stop();
    await second?.stop();
    await flarescale?.stop();
  });

  it("are one control server for the clients of both", async () => {
    // A client begins anew when its own interface comes up, and has no connection for a moment.
    await second.child.until("its client is connected", async () => (await second.metric(bridges)) >= 1);
    await far.untilPeer("near", ({ Online }) => Online);
    expect(await far.ping("near")).toBeDefined();
    await untilAllHear(flarescale, [near, far]);
  });

  it("may be drained one by one: clients come back, nothing else is disturbed", async () => {
    const before = await identities(flarescale);
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    expect(second.child.logLines(/draining.*SIGTERM/)).toHaveLength(1);
    expect(second.child.logLines(/drained.*drain=[1-9]/)).toHaveLength(1);
    await transfer.untilMore();
    second = await startSecond();
    await untilAllHear(flarescale, [near, far]);
    expect(await second.metric(bridges)).toBeGreaterThanOrEqual(1);
    expect(await identities(flarescale)).toEqual(before);
    await transfer.untilMore();
  });

  it("may be killed under traffic", async () => {
    const before = await identities(flarescale);
    await second.kill();
    await transfer.untilMore();
    second = await startSecond();
    await untilAllHear(flarescale, [near, far]);
    expect(await identities(flarescale)).toEqual(before);
    await transfer.untilMore();
  });

  it("stay while the Worker is replaced", async () => {
    const before = await identities(flarescale);
    const { pid } = second.child;
    await flarescale.kill();
    await transfer.untilMore();
    flarescale = await flarescale.restart();
    await untilAllHear(flarescale, [near, far]);
    expect(second.child).toMatchObject({ pid, isRunning: true });
    expect(await second.metric(bridges)).toBeGreaterThanOrEqual(1);
    expect(await identities(flarescale)).toEqual(before);
    await transfer.untilMore();
  });
});

describe("a control server with a name, on the ports 80 and 443", () => {
  let flarescale: Flarescale;
  let control: Namespace;
  let halfOpen: Namespace;
  let proxied: Namespace;
  let laptop: Tailscaled;
  let inside: Namespace;

  beforeAll(async () => {
    control = await network.attach("control");
    halfOpen = await network.attach("half-open");
    proxied = await network.attach("proxied");
    const hosts = {
      "control.test": control.address,
      "half-open.test": halfOpen.address,
      "proxied.test": proxied.address,
    };
    flarescale = await startFlarescale({
      listen: control.address,
      namespace: control,
      hostname: "control.test",
      httpPort: 80,
      httpsPort: 443,
    });
    inside = await network.attach("laptop", { hosts });
    laptop = await Tailscaled.start({ hostname: "laptop", mode: "tun", namespace: inside });
  });

  afterAll(async () => {
    await laptop?.stop();
    await flarescale?.stop();
  });

  /** How many connections the laptop has to a port of the control server. */
  async function connections(port: number): Promise<number> {
    const { stdout } = await inside.exec([
      "ss",
      "-Htn",
      "state",
      "established",
      `dst ${control.address} and dport = :${port}`,
    ]);
    return stdout.split("\n").filter(Boolean).length;
  }

  const forced = () => laptop.logLines(/forcing port 443 dial/).length;

  it("is joined by its name, over plain HTTP", async () => {
    expect(flarescale.controlUrl).toBe("http://control.test");
    await laptop.up(flarescale.controlUrl, [`--auth-key=${flarescale.authKey}`]);
    // It begins anew as soon as its own interface is up, so that connection is gone by now.
    const [beforeLogin] = laptop.child.log().split("RegisterReq: got response");
    expect(beforeLogin).not.toMatch(/forcing port 443/);
    await untilAllHear(flarescale, [laptop]);
  });

  it("is found again over TLS alone when it restarts, also by clients that have restarted just before", async () => {
    const before = await identities(flarescale);
    for (const _ of [1, 2]) {
      const { stateDir } = laptop;
      await laptop.stop();
      laptop = await Tailscaled.start({ hostname: "laptop", mode: "tun", namespace: inside, stateDir });
      await untilAllHear(flarescale, [laptop]);
      const dials = forced();
      await flarescale.kill();
      flarescale = await flarescale.restart();
      await untilAllHear(flarescale, [laptop]);
      expect(forced()).toBeGreaterThan(dials);
      expect(await connections(80)).toBe(0);
      expect(await connections(443)).toBeGreaterThanOrEqual(1);
    }
    expect(await identities(flarescale)).toEqual(before);
  });

  it("passes the client's own check, which speaks the whole protocol but for a login", async () => {
    const certificate = join(flarescale.stateDir, "gateway", "gateway-tls.pem");
    const { tailscale } = (await clientBinaries()).current;
    const check = [tailscale, "debug", "ts2021", "--host=control.test", "--verbose"];
    const { code, stdout } = await inside.exec(["env", `SSL_CERT_FILE=${certificate}`, ...check]);
    expect(stdout).not.toMatch(/error|fail|unexpected/i);
    expect(stdout).toMatch(/whoami response: "mkey:/);
    expect(code).toBe(0);
  });

  it("is found healthy by the doctor", async () => {
    const { code, stdout } = await runDoctor(inside, "http://control.test");
    expect(stdout).toMatch(/no problem found/);
    expect(code).toBe(0);
  });

  describe("through broken parts", () => {
    const gatewayIn = (namespace: Namespace, ports: { httpPort: number | "off"; httpsPort: number | "off" }) => {
      const upstream = `http://${control.address}:${new URL(flarescale.workerUrl).port}`;
      return startGateway({ upstream, namespace, listen: namespace.address, ...ports });
    };

    it("has the doctor name a port that is closed", async () => {
      const gateway = await gatewayIn(halfOpen, { httpPort: 80, httpsPort: "off" });
      const { code, stdout } = await runDoctor(inside, "http://half-open.test");
      expect(stdout.split("\n").filter((line) => /^ *problem/.test(line))[0]).toMatch(/port 443/);
      expect(stdout).toMatch(/ok +upgrade on port 80/);
      expect(code).toBe(1);
      await gateway.stop();
    });

    it("has the doctor name a proxy that strips the upgrade, around which clients find their way", async () => {
      const gateway = await gatewayIn(proxied, { httpPort: "off", httpsPort: 443 });
      const proxy = await startPlainProxy(proxied, { address: proxied.address, port: 80 }, `http://${control.address}`);
      const { code, stdout } = await runDoctor(inside, "http://proxied.test");
      expect(stdout).toMatch(/problem +upgrade on port 80 .*no upgrade/);
      expect(stdout).toMatch(/ok +upgrade on port 443/);
      expect(code).toBe(1);

      const guest = await Tailscaled.start({ hostname: "guest", namespace: inside });
      await guest.up("http://proxied.test", [`--auth-key=${flarescale.authKey}`]);
      expect(await gateway.metric('bridges{kind="control"}')).toBeGreaterThanOrEqual(1);
      await guest.stop();
      await proxy.stop();
      await gateway.stop();
    });
  });
});
