import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { WEBSOCKET_MAX_RECEIVE } from "../../../worker/protocol/limits.ts";
import { connectRaw, connectTls, controlRequest, derpRequest, type RawClient } from "../../testing/raw-client.ts";
import { type StandInOptions, type StandInWorker, startStandIn } from "../../testing/stand-in-worker.ts";
import { startTestGateway, type TestGateway } from "../../testing/test-gateway.ts";
import { selfSignedCertificate } from "../certificate.ts";
import { BRIDGES_MAX, DIAL_BUDGET_MS } from "../limits.ts";
import { Bridges } from "./bridges.ts";

const CONTROL_HEAD =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tailscale-control-protocol\r\nConnection: upgrade\r\n\r\n";
const DERP_HEAD = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n";

/** RFC 6455 §1.3. */
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function setUp(
  options: StandInOptions = {},
  gatewayOptions: Parameters<typeof startTestGateway>[1] = {},
): Promise<{ worker: StandInWorker; gateway: TestGateway }> {
  const worker = await startStandIn(options);
  cleanUps.push(() => worker.close());
  const gateway = await startTestGateway(worker.url, gatewayOptions);
  cleanUps.push(() => gateway.gateway.drain(0));
  return { worker, gateway };
}

async function connect(port: number): Promise<RawClient> {
  const client = await connectRaw(port);
  cleanUps.push(() => client.socket.destroy());
  return client;
}

/** Lets a stand-in answer upgrades with a status and nothing else. */
function refusing(head: string, body = ""): StandInOptions {
  return {
    onUpgrade: (_request: IncomingMessage, socket: Socket) => {
      socket.end(`HTTP/1.1 ${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      return true;
    },
  };
}

describe("native control upgrade", () => {
  it("asks the Worker with the handshake in the query, then answers the exact head and carries bytes", async () => {
    const { worker, gateway } = await setUp();
    const client = await connect(gateway.httpPort);
    client.send(controlRequest("ab+/cd=="));
    const { webSocket, request } = await worker.next();
    expect(request.url).toBe("/ts2021?X-Tailscale-Handshake=ab%2B%2Fcd%3D%3D");
    expect(request.headers["sec-websocket-protocol"]).toBe("tailscale-control-protocol");
    expect(request.headers["sec-websocket-extensions"]).toBeUndefined();
    expect(request.headers["x-forwarded-for"]).toBe("127.0.0.1");
    expect(request.headers.host).toBe(worker.url.host);
    webSocket.send(randomBytes(51));
    expect(await client.head()).toBe(CONTROL_HEAD);
    expect(await client.bytes(51)).toHaveLength(51);
    client.send("record");
    expect(String((await once(webSocket, "message"))[0])).toBe("record");
  });

  it("works over TLS too", async () => {
    const certificate = await selfSignedCertificate(["localhost"]);
    const { worker, gateway } = await setUp({}, { https: { port: 0, certificate } });
    const client = await connectTls(gateway.httpsPort ?? 0);
    client.send(controlRequest());
    const { webSocket, request } = await worker.next();
    expect(request.headers["x-forwarded-proto"]).toBe("https");
    expect(await client.head()).toBe(CONTROL_HEAD);
    webSocket.send(Buffer.from("last words"));
    webSocket.close(1000);
    expect(String(await client.rest())).toBe("last words");
    expect(client.error).toBeUndefined();
  });

  it("says nothing before the WebSocket is open, and passes on what came early first", async () => {
    const gate = Promise.withResolvers<void>();
    const { worker, gateway } = await setUp({ beforeUpgrade: () => gate.promise });
    const client = await connect(gateway.httpPort);
    client.send(`${controlRequest()}early `);
    await sleep(100);
    client.send("and later");
    await sleep(100);
    expect(client.received).toHaveLength(0);
    gate.resolve();
    const { webSocket } = await worker.next();
    let text = "";
    webSocket.on("message", (message: Buffer) => {
      text += String(message);
    });
    expect(await client.head()).toBe(CONTROL_HEAD);
    await expect.poll(() => text).toBe("early and later");
  });

  it("passes the Worker's refusal on: status, short text, Retry-After", async () => {
    const { gateway } = await setUp(refusing("429 Slow\r\nContent-Type: text/plain\r\nRetry-After: 7", "slow down"));
    const client = await connect(gateway.httpPort);
    client.send(controlRequest());
    const head = await client.head();
    expect(head).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n/);
    expect(head).toContain("Retry-After: 7\r\n");
    expect(String(await client.rest())).toBe("slow down\n");
    expect(gateway.events.map(({ fields }) => fields.cause)).toEqual(["worker-status"]);
  });

  it("keeps an HTML error page, and a redirect that leads a client nowhere, to itself", async () => {
    const html = await setUp(refusing("403 Forbidden\r\nContent-Type: text/html", "<h1>edge</h1>"));
    const client = await connect(html.gateway.httpPort);
    client.send(controlRequest());
    expect(await client.head()).toMatch(/^HTTP\/1\.1 403 /);
    expect(String(await client.rest())).toBe("the control server answered 403\n");
    const redirect = await setUp(refusing("301 Moved\r\nLocation: https://elsewhere/", ""));
    const other = await connect(redirect.gateway.httpPort);
    other.send(controlRequest());
    expect(await other.head()).toMatch(/^HTTP\/1\.1 502 /);
    expect(String(await other.rest())).toBe("the control server answered 301\n");
  });

  it("resets the client of a Worker that sends a message of more than 1 MiB, and carries one of exactly that", async () => {
    const { worker, gateway } = await setUp();
    const client = await connectRaw(gateway.httpPort);
    client.send(controlRequest());
    const { webSocket } = await worker.next();
    await client.head();
    webSocket.send(Buffer.alloc(WEBSOCKET_MAX_RECEIVE));
    await client.bytes(WEBSOCKET_MAX_RECEIVE);
    const closed = once(webSocket, "close");
    webSocket.send(Buffer.alloc(WEBSOCKET_MAX_RECEIVE + 1));
    expect((await closed)[0]).toBe(1009);
    await client.rest();
    expect(gateway.gateway.bridges).toBe(0);
  });

  it("refuses with 502 when the Worker selects another subprotocol", async () => {
    const { gateway } = await setUp(refusing("101 X\r\nUpgrade: websocket\r\nConnection: Upgrade"));
    const client = await connect(gateway.httpPort);
    client.send(controlRequest());
    expect(await client.head()).toMatch(/^HTTP\/1\.1 502 /);
  });

  it("answers 502 within the client's patience when the Worker is down or silent", async () => {
    expect(DIAL_BUDGET_MS).toBeLessThanOrEqual(4_000); // of the client's 5 s
    const gone = await startStandIn();
    const { gateway } = await setUp();
    await gone.close();
    const deaf = await setUp({ onUpgrade: () => true });
    const down = await startTestGateway(gone.url);
    cleanUps.push(() => down.gateway.drain(0));
    expect(gateway.gateway.bridges).toBe(0);
    for (const port of [down.httpPort, deaf.gateway.httpPort]) {
      const client = await connect(port);
      client.send(controlRequest());
      expect(await client.head()).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
    }
  });

  it("tries again while the Worker is being deployed", async () => {
    const first = await startStandIn(refusing("503 Service Unavailable"));
    const gateway = await startTestGateway(first.url);
    cleanUps.push(() => gateway.gateway.drain(0));
    const client = await connect(gateway.httpPort);
    client.send(controlRequest());
    await expect.poll(() => first.upgrades.length).toBeGreaterThan(0);
    await first.close();
    await sleep(300);
    const second = await startStandIn({ port: first.port });
    cleanUps.push(() => second.close());
    expect(await client.head()).toBe(CONTROL_HEAD);
  });

  it("does not try again when the Worker names a time to come back", async () => {
    const { worker, gateway } = await setUp(refusing("503 Busy\r\nRetry-After: 60"));
    const client = await connect(gateway.httpPort);
    client.send(controlRequest());
    expect(await client.head()).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 60/);
    expect(worker.upgrades).toHaveLength(1);
  });

  it("stops dialling for a client that has left", async () => {
    const closed: number[] = [];
    const { worker, gateway } = await setUp({
      onUpgrade: (_, socket) => {
        socket.on("end", () => closed.push(1)).resume();
        return true;
      },
    });
    const client = await connect(gateway.httpPort);
    client.send(controlRequest());
    await expect.poll(() => worker.upgrades.length).toBe(1);
    client.socket.end();
    await expect.poll(() => closed.length).toBe(1);
    expect(gateway.gateway.bridges).toBe(0);
    expect(gateway.events).toEqual([]);
  });

  it("refuses with 508 when its upstream leads back to itself", async () => {
    const { worker, gateway } = await setUp();
    const seen = await connect(gateway.httpPort);
    seen.send(controlRequest());
    const { request } = await worker.next();
    const client = await connect(gateway.httpPort);
    client.send(controlRequest("AAAA", `Via: ${request.headers.via}\r\n`));
    expect(await client.head()).toMatch(/^HTTP\/1\.1 508 /);
  });

  it("refuses with 503 when it has as many bridges as it may", async () => {
    const { worker, gateway } = await setUp();
    const size = vi.spyOn(Bridges.prototype, "size", "get").mockReturnValue(BRIDGES_MAX);
    cleanUps.push(() => size.mockRestore());
    const client = await connect(gateway.httpPort);
    client.send(controlRequest());
    const head = await client.head();
    expect(head).toMatch(/^HTTP\/1\.1 503 /);
    expect(head).toContain("Retry-After: 1\r\n");
    expect(String(await client.rest())).toBe("this gateway is full; try again\n");
    expect(worker.upgrades).toHaveLength(0);
  });

  it("never logs the handshake", async () => {
    const { gateway } = await setUp(refusing("403 Forbidden"));
    const client = await connect(gateway.httpPort);
    client.send(controlRequest("c2VjcmV0"));
    await client.rest();
    expect(gateway.events).toHaveLength(1);
    expect(JSON.stringify(gateway.events)).not.toContain("c2VjcmV0");
  });
});

describe("native DERP upgrade", () => {
  it("joins a WebSocket with subprotocol derp and answers 101", async () => {
    const { worker, gateway } = await setUp();
    const client = await connect(gateway.httpPort);
    client.send(derpRequest());
    const { webSocket, request } = await worker.next();
    expect(request.url).toBe("/derp");
    expect(request.headers["sec-websocket-protocol"]).toBe("derp");
    expect(request.headers["flarescale-messages"]).toBe("long");
    webSocket.send(Buffer.from("frame"));
    expect(await client.head()).toBe(DERP_HEAD);
    expect(String(await client.bytes(5))).toBe("frame");
  });

  it("sends no head on a fast start, and forwards the frames that came with the request", async () => {
    const { worker, gateway } = await setUp();
    const client = await connect(gateway.httpPort);
    client.send(`${derpRequest("Derp-Fast-Start: 1\r\n")}client info`);
    const { webSocket } = await worker.next();
    expect(String((await once(webSocket, "message"))[0])).toBe("client info");
    webSocket.send(Buffer.from("server key"));
    expect(String(await client.bytes(10))).toBe("server key");
  });

  it("says nothing to a fast start that fails", async () => {
    const { gateway } = await setUp(refusing("403 Forbidden"));
    const client = await connect(gateway.httpPort);
    client.send(derpRequest("Derp-Fast-Start: 1\r\n"));
    expect(await client.rest()).toHaveLength(0);
  });
});

describe("WebSocket of JS clients", () => {
  it("keeps subprotocol, query and bytes, and offers no compression", async () => {
    const { worker, gateway } = await setUp();
    const url = `ws://127.0.0.1:${gateway.httpPort}/ts2021?X-Tailscale-Handshake=ab%2B%2F`;
    const client = new WebSocket(url, ["tailscale-control-protocol"], { origin: "https://page.example" });
    const [{ webSocket, request }] = await Promise.all([worker.next(), once(client, "open")]);
    expect(request.url).toBe("/ts2021?X-Tailscale-Handshake=ab%2B%2F");
    expect(request.headers.origin).toBe("https://page.example");
    expect(request.headers["sec-websocket-extensions"]).toBeUndefined();
    expect(client.protocol).toBe("tailscale-control-protocol");
    const bytes = randomBytes(300_000);
    const arrived = Promise.all([once(webSocket, "message"), once(client, "message")]);
    client.send(bytes);
    webSocket.send(bytes);
    const [[up], [down]] = await arrived;
    expect([Buffer.compare(up, bytes), Buffer.compare(down, bytes)]).toEqual([0, 0]);
    client.close(1000, "done");
    expect((await once(webSocket, "close")).map(String)).toEqual(["1000", "done"]);
    await expect.poll(() => gateway.gateway.bridges).toBe(0);
  });

  it("passes the Worker's close on to the client, and its breaking off too", async () => {
    const { worker, gateway } = await setUp();
    for (const [end, code] of [
      [(w: WebSocket) => w.close(4001, "bye"), 4001],
      [(w: WebSocket) => w.terminate(), 1006],
    ] as const) {
      const client = new WebSocket(`ws://127.0.0.1:${gateway.httpPort}/derp`, ["derp"]);
      const [{ webSocket }] = await Promise.all([worker.next(), once(client, "open")]);
      end(webSocket);
      expect((await once(client, "close"))[0]).toBe(code);
    }
    await expect.poll(() => gateway.gateway.bridges).toBe(0);
  });

  it("ends within seconds when one side leaves and the other never ends by itself", async () => {
    const { gateway } = await setUp({
      onUpgrade: (request, socket) => {
        const accept = createHash("sha1")
          .update(`${request.headers["sec-websocket-key"]}${WEBSOCKET_GUID}`)
          .digest("base64");
        socket.write(
          `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        socket.resume(); // half open for ever: it is told of the end and does not answer
        return true;
      },
    });
    const client = new WebSocket(`ws://127.0.0.1:${gateway.httpPort}/live`);
    await once(client, "open");
    expect(gateway.gateway.bridges).toBe(1);
    client.terminate();
    await expect.poll(() => gateway.gateway.bridges).toBe(0);
  });

  it("holds back a Worker whose client does not read", async () => {
    const { worker, gateway } = await setUp();
    const client = new WebSocket(`ws://127.0.0.1:${gateway.httpPort}/derp`, ["derp"], { perMessageDeflate: false });
    const [{ webSocket }] = await Promise.all([worker.next(), once(client, "open")]);
    client.pause();
    for (let i = 0; i < 1_000; i++) webSocket.send(Buffer.alloc(30_000));
    await sleep(300);
    expect(webSocket.bufferedAmount).toBeGreaterThan(1_000_000);
    let received = 0;
    client.on("message", (message: Buffer) => {
      received += message.length;
    });
    client.resume();
    await expect.poll(() => received).toBe(30_000_000);
    client.terminate();
  });

  it("passes the Worker's refusal on", async () => {
    const { gateway } = await setUp(refusing("403 Forbidden\r\nContent-Type: text/plain", "no"));
    const client = new WebSocket(`ws://127.0.0.1:${gateway.httpPort}/live`);
    const [, response] = (await once(client, "unexpected-response")) as [unknown, IncomingMessage];
    expect(response.statusCode).toBe(403);
    response.destroy();
  });
});

describe("drain", () => {
  it("gives no bridge to a client whose dial ends after the drain has begun", async () => {
    const gate = Promise.withResolvers<void>();
    const { worker, gateway } = await setUp({ beforeUpgrade: () => gate.promise });
    const client = await connect(gateway.httpPort);
    client.send(controlRequest());
    await expect.poll(() => worker.upgrades.length).toBe(1);
    const drained = gateway.gateway.drain(3);
    gate.resolve();
    expect(await client.head()).toMatch(/^HTTP\/1\.1 503 /);
    client.socket.end();
    expect(await drained).toMatchObject({ bridges: 0, ended: {} });
  });

  it("refuses new bridges with 503 and Retry-After, ends standing ones and closes the ports", async () => {
    const { worker, gateway } = await setUp();
    const client = await connect(gateway.httpPort);
    client.send(controlRequest());
    const { webSocket } = await worker.next();
    await client.head();
    const idle = await connect(gateway.httpPort);
    const closed = once(webSocket, "close");
    const drained = gateway.gateway.drain(25);
    idle.send(controlRequest());
    expect(await idle.head()).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n[\s\S]*Retry-After: 1\r\n/);
    expect((await closed)[0]).toBe(1001);
    await client.rest();
    expect(client.error).toBeUndefined();
    client.socket.end();
    idle.socket.end();
    const report = await drained;
    expect(report).toMatchObject({ bridges: 1, ended: { drain: 1 } });
    expect(report.seconds).toBeLessThan(20);
    await expect(connectRaw(gateway.httpPort)).rejects.toThrow("ECONNREFUSED");
  });
});
