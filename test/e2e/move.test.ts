// A tailnet that moves to another deployment, as its operator would do it: export, import, and the name that clients
// know leads to the new one. Real clients go on by themselves, without a login, as the same nodes.
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { execute } from "./support/command.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { freeLoopbackPort, freeUdpPort } from "./support/local-http.ts";
import { createNetwork, type Network } from "./support/netns.ts";
import { scratchDir } from "./support/run.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { until } from "./support/until.ts";

const agent = resolve(import.meta.dirname, "../../agent/main.ts");
let network: Network;
let old: Flarescale;
let successor: Flarescale | undefined;
let ports: { httpPort: number; httpsPort: number; workerPort: number; stunPort: number };
let laptop: Tailscaled;
let server: Tailscaled;

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  ports = {
    httpPort: await freeLoopbackPort(),
    httpsPort: await freeLoopbackPort(),
    workerPort: await freeLoopbackPort(),
    stunPort: await freeUdpPort(),
  };
  old = await startFlarescale({ listen: network.hostAddress, ...ports });
  const started = async (hostname: string) =>
    await Tailscaled.start({ hostname, namespace: await network.attach(hostname) });
  [laptop, server] = [await started("laptop"), await started("server")];
  for (const node of [laptop, server]) await node.up(old.controlUrl, [`--auth-key=${old.authKey}`]);
});

afterAll(async () => {
  await old?.stop();
  await successor?.stop();
  await network?.close();
});

async function flarescale(args: readonly string[], token: string) {
  return await execute(["env", `FLARESCALE_TOKEN=${token}`, process.execPath, agent, ...args]);
}

it("is carried over by a file, and its clients notice nothing but a pause", async () => {
  const file = join(scratchDir("move"), "tailnet.jsonl");
  const exported = await flarescale(["export", `--server=${old.workerUrl}`, `--output=${file}`], old.apiToken);
  expect(exported).toMatchObject({ code: 0, stdout: expect.stringMatching(/wrote 1 users and 2 devices.*\nWARNING/) });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await flarescale(["export", `--server=${old.workerUrl}`, `--output=${file}`], old.apiToken)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("EEXIST"),
  });
  const before = await old.api.devices();
  await old.stop();

  const fresh = await startFlarescale({ listen: network.hostAddress }); // on ports that no client knows
  const args = ["import", `--server=${fresh.workerUrl}`, `--input=${file}`];
  expect(await flarescale(args, fresh.apiToken)).toMatchObject({ code: 0, stdout: "imported 1 users and 2 devices\n" });
  expect((await flarescale(args, fresh.apiToken)).stdout).toContain("nothing was changed");
  await fresh.stop();
  successor = await startFlarescale({ listen: network.hostAddress, ...ports, stateDir: fresh.stateDir });

  const { api } = successor;
  await until("both clients are back", async () => (await api.devices()).every((each) => each.connectedToControl), {
    timeoutMs: 60_000,
  });
  const identity = ({ id, nodeId, name, addresses, nodeKey, machineKey }: (typeof before)[number]) => [
    id,
    nodeId,
    name,
    addresses,
    nodeKey,
    machineKey,
  ];
  expect((await api.devices()).map(identity)).toEqual(before.map(identity));
  expect((await laptop.status()).BackendState).toBe("Running");
  await until("one reaches the other", async () => await laptop.ping("server", "disco", 2_000));
  const { nodeId } = await api.deviceCalled("server");
  await api.renameDevice(nodeId, "moved");
  await laptop.untilPeer("server", (peer) => peer.DNSName.startsWith("moved."));
});
