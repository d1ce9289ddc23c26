import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listen } from "../daemon/open-port.ts";
import { connectRaw, connectTls, controlRequest } from "../testing/raw-client.ts";
import { type StandInWorker, startStandIn } from "../testing/stand-in-worker.ts";
import { startTestGateway, type TestGateway } from "../testing/test-gateway.ts";
import { selfSignedCertificate } from "./certificate.ts";
import { httpServer } from "./listener.ts";

let worker: StandInWorker;
let gateway: TestGateway;
beforeAll(async () => {
  worker = await startStandIn();
  const certificate = await selfSignedCertificate(["localhost"]);
  gateway = await startTestGateway(worker.url, { https: { port: 0, certificate } });
});
afterAll(async () => {
  await gateway.gateway.drain(0);
  await worker.close();
});

/** Sends a request and returns the status of the answer; undefined when there is none. */
async function statusOf(bytes: string | Uint8Array): Promise<number | undefined> {
  const client = await connectRaw(gateway.httpPort);
  client.send(bytes);
  const status = /^HTTP\/1\.1 (\d+) /.exec(await client.head())?.[1];
  client.socket.destroy();
  return status === undefined ? undefined : Number(status);
}

describe("hostile clients", () => {
  it("cuts a client that sends its headers slower than 5 s, and one that sends none", async () => {
    const [slow, silent, tls] = await Promise.all([
      connectRaw(gateway.httpPort),
      connectRaw(gateway.httpPort),
      connectRaw(gateway.httpsPort ?? 0),
    ]);
    const startedAt = performance.now();
    const drip = (async () => {
      for (const byte of controlRequest()) {
        if (slow.isOver) return;
        slow.send(byte);
        await sleep(100);
      }
    })();
    await Promise.all([slow, silent, tls].map((client) => client.rest()));
    expect(performance.now() - startedAt).toBeGreaterThan(4_500);
    expect(performance.now() - startedAt).toBeLessThan(15_000); // the whole request would have taken 20 s
    for (const client of [slow, silent, tls]) client.socket.destroy();
    await drip;
  });

  it("answers 431 to headers over 32 KiB and takes headers just below", async () => {
    const request = (size: number) => `GET /key HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(size)}\r\n\r\n`;
    expect(await statusOf(request(32_000))).toBe(200);
    expect(await statusOf(request(33_000))).toBe(431);
    expect(await statusOf(controlRequest("A".repeat(40_000)))).toBe(431);
  });

  it("answers 400 to a handshake over 4 KiB", async () => {
    expect(await statusOf(controlRequest("A".repeat(4_100)))).toBe(400);
  });

  it.each([
    ["noise", Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 89) % 256))],
    ["TLS on the plain port", Buffer.from("16030100f5010000f10303", "hex")],
    ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a request without Host", "GET /key HTTP/1.1\r\n\r\n"],
    ["a proxy's target", "GET http://other.example/key HTTP/1.1\r\nHost: x\r\n\r\n"],
    [
      "two framings of one body",
      "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["an upgrade with a body", `${controlRequest().replace("Length: 0", "Length: 5")}hello`],
    ["an unknown upgrade of /ts2021", controlRequest().replace("tailscale-control-protocol", "smtp")],
    ["HTTP/1.0", controlRequest().replace("HTTP/1.1", "HTTP/1.0")],
  ])("answers 400 to %s", async (_, bytes) => {
    expect(await statusOf(bytes)).toBe(400);
  });

  it("survives clients that reset at every point of an upgrade", async () => {
    const request = controlRequest();
    const cuts = Array.from({ length: request.length + 1 }, (_, i) => i).filter(
      (i) => i % 7 === 0 || i === request.length,
    );
    for (const length of cuts) {
      const client = await connectRaw(gateway.httpPort);
      client.send(request.slice(0, length));
      if (length === request.length) await sleep(5);
      client.socket.resetAndDestroy();
    }
    await expect.poll(() => gateway.gateway.bridges).toBe(0);
    expect(await statusOf("GET /key HTTP/1.1\r\nHost: x\r\n\r\n")).toBe(200);
  });

  it("survives clients that reset during and after the TLS handshake", async () => {
    for (let i = 0; i < 10; i++) {
      const half = await connectRaw(gateway.httpsPort ?? 0);
      half.send(Buffer.from("1603010005010000", "hex"));
      half.socket.resetAndDestroy();
      const whole = await connectTls(gateway.httpsPort ?? 0);
      whole.send(controlRequest());
      whole.socket.destroy();
    }
    await expect.poll(() => gateway.gateway.bridges).toBe(0);
  });
});

describe("listen", () => {
  it("says what to do when a port is taken or the address is not there", async () => {
    const handlers = { request: () => {}, upgrade: () => {} };
    await expect(listen(httpServer(handlers), { host: "127.0.0.1", port: gateway.httpPort })).rejects.toThrow(
      `cannot listen on 127.0.0.1 port ${gateway.httpPort}: another program has it`,
    );
    await expect(listen(httpServer(handlers), { host: "192.0.2.1", port: 0 })).rejects.toThrow(
      "does not have that address",
    );
  });
});
