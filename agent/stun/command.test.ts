import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { encodeBindingRequest } from "../../worker/protocol/stun.ts";
import { main } from "../main.ts";

const BIN = fileURLToPath(new URL("../bin/flarescale.mjs", import.meta.url));
const cleanUps: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

it("says when it listens, answers, is healthy, and goes on answering while it drains", async () => {
  const argv = [
    "stun",
    "--listen=127.0.0.1",
    "--port=0",
    "--metrics-listen=127.0.0.1:0",
    "--json",
    "--drain-seconds=600",
  ];
  const child = spawn(process.execPath, [BIN, ...argv], { stdio: ["ignore", "pipe", "pipe"] });
  cleanUps.push(() => child.kill("SIGKILL"));
  const log = text(child.stderr);
  const exit = once(child, "exit");
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { port, metricsPort, pid } = JSON.parse(String(line)) as { port: number; metricsPort: number; pid: number };
  expect(pid).toBe(child.pid);

  const client = createSocket("udp4");
  cleanUps.push(() => client.close());
  const ask = async () => {
    client.send(encodeBindingRequest(new Uint8Array(12)), port, "127.0.0.1");
    const [answer] = (await once(client, "message")) as [Buffer];
    return answer.length;
  };
  const metrics = (path: string) => fetch(`http://127.0.0.1:${metricsPort}${path}`);
  expect(await ask()).toBe(32);
  expect((await metrics("/readyz")).status).toBe(200);
  expect(await (await metrics("/metrics")).text()).toContain(
    'flarescale_stun_datagrams_total{family="ipv4",outcome="answered"} 1\n',
  );

  child.kill("SIGTERM");
  await expect.poll(async () => (await metrics("/readyz")).status).toBe(503);
  expect(await ask()).toBe(32);
  child.kill("SIGTERM"); // a second signal: at once
  expect(await exit).toEqual([0, null]);
  expect(await log).toContain("drain cut short");
});

it.each([
  [["--listen=stun.example.com"], '--listen must be an IP address, not "stun.example.com"'],
  [["--port=70000"], "--port must be a whole number from 0 to 65535"],
  [["--source-rate=0"], "--source-rate must be a whole number from 1 to 100000"],
  [["--log-format=xml"], "--log-format must be text or json"],
])("refuses %s", async (argv, message) => {
  let err = "";
  expect(await main(["stun", ...argv], { out: () => {}, err: (words) => (err += words) })).toBe(2);
  expect(err).toContain(message);
});
