import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { connectRaw, controlRequest } from "../testing/raw-client.ts";
import { startStandIn } from "../testing/stand-in-worker.ts";
import { startTestGateway } from "../testing/test-gateway.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** The kernel's keep-alive timers: seconds until it probes, of each connection of loopback that has one, by its ports. */
function probes(): { local: number; remote: number; seconds: number }[] {
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .flatMap((line) => {
      const row = /^ *\d+: 0100007F:(\w+) 0100007F:(\w+) 01 \S+ 02:(\w+)/.exec(line); // proc(5): state 01, timer 02
      if (row === null) return [];
      const [local = 0, remote = 0, ticks = 0] = row.slice(1).map((hex) => Number.parseInt(hex, 16));
      return [{ local, remote, seconds: ticks / 100 }];
    });
}

/** 30 s, less what has passed since the connection fell silent. */
const isHalfAMinute = (seconds: number | undefined) => seconds !== undefined && seconds > 10 && seconds <= 30;

it("has the kernel probe both connections of an idle bridge after 30 s, and plain ones too", async () => {
  const worker = await startStandIn();
  cleanUps.push(() => worker.close());
  const gateway = await startTestGateway(worker.url);
  cleanUps.push(() => gateway.gateway.drain(0));
  const client = await connectRaw(gateway.httpPort);
  cleanUps.push(() => client.socket.destroy());
  client.send(controlRequest());
  await client.head();
  const plain = await connectRaw(gateway.httpPort);
  cleanUps.push(() => plain.socket.destroy());
  const toClient = (port: number) =>
    probes().find(({ local, remote }) => local === gateway.httpPort && remote === port);
  const toWorker = () => probes().find(({ remote }) => remote === worker.port);
  for (const { socket } of [client, plain]) {
    const { port } = socket.address() as AddressInfo;
    await expect.poll(() => toClient(port)?.seconds).toSatisfy(isHalfAMinute);
  }
  await expect.poll(() => toWorker()?.seconds).toSatisfy(isHalfAMinute);
});
