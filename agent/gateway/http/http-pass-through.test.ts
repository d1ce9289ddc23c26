import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { connectRaw } from "../../testing/raw-client.ts";
import { type StandInOptions, startStandIn } from "../../testing/stand-in-worker.ts";
import { startTestGateway } from "../../testing/test-gateway.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function setUp(onRequest: StandInOptions["onRequest"]) {
  const worker = await startStandIn(onRequest ? { onRequest } : {});
  cleanUps.push(() => worker.close());
  const gateway = await startTestGateway(worker.url);
  cleanUps.push(() => gateway.gateway.drain(0));
  return { worker, gateway, origin: `http://127.0.0.1:${gateway.httpPort}` };
}

function echo(request: IncomingMessage, response: http.ServerResponse): void {
  void buffer(request).then((body) => {
    response.setHeader("Set-Cookie", ["a=1", "b=2"]);
    response.setHeader("Alt-Svc", 'h3=":443"');
    response.writeHead(207, { "Content-Type": "application/json" });
    response.end(
      JSON.stringify({
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: body.toString("hex"),
      }),
    );
  });
}

describe("pass-through", () => {
  it("keeps method, target, headers and body, and the answer's status, headers and body", async () => {
    const { worker, origin } = await setUp(echo);
    const response = await fetch(`${origin}/api/v2/tailnet/-/acl?details=1&x=%2F`, {
      method: "PUT",
      headers: { Authorization: "Bearer t", "If-Match": "e" },
      body: new Uint8Array([1, 2, 3]),
    });
    expect(response.status).toBe(207);
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(response.headers.get("alt-svc")).toBeNull();
    expect(await response.json()).toMatchObject({
      method: "PUT",
      url: "/api/v2/tailnet/-/acl?details=1&x=%2F",
      body: "010203",
      headers: {
        authorization: "Bearer t",
        "if-match": "e",
        host: worker.url.host,
        "content-length": "3",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": new URL(origin).host,
      },
    });
  });

  it.each(["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PATCH"])(
    "passes a %s without a body as such",
    async (method) => {
      const { origin } = await setUp(echo);
      const response = await fetch(`${origin}/key?v=113`, { method });
      expect(response.status).toBe(207);
      if (method === "HEAD") return;
      const { body, headers } = (await response.json()) as { body: string; headers: Record<string, string> };
      expect([body, headers["transfer-encoding"]]).toEqual(["", undefined]);
    },
  );

  it("streams a request and its answer piece by piece", async () => {
    const { origin } = await setUp((request, response) => {
      request.on("data", (chunk: Buffer) => response.write(`got ${String(chunk)}`)).on("end", () => response.end());
    });
    const request = http.request(`${origin}/stream`, { method: "POST" });
    request.write("one");
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(String((await once(response, "data"))[0])).toBe("got one");
    request.end("two");
    expect(String((await once(response, "data"))[0])).toBe("got two");
  });

  it("flushes the head of a long poll before its first byte", async () => {
    const { origin } = await setUp((_, response) => response.flushHeaders());
    const request = http.get(`${origin}/events`);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    request.on("error", () => {});
    request.destroy();
  });

  it("refuses a body over 10 MiB with 413 and a message, announced or not, and takes one of exactly that", async () => {
    const { origin } = await setUp((request, response) => {
      void buffer(request).then(
        (body) => response.end(String(body.length)),
        () => {},
      );
    });
    const limit = 10 << 20;
    const exact = await fetch(`${origin}/x`, { method: "POST", body: Buffer.alloc(limit) });
    expect([exact.status, await exact.text()]).toEqual([200, String(limit)]);
    const announced = await fetch(`${origin}/x`, { method: "POST", body: Buffer.alloc(limit + 1) });
    expect([announced.status, await announced.json()]).toEqual([
      413,
      { message: "the request body is larger than 10 MiB" },
    ]);
    const chunked = await fetch(`${origin}/x`, {
      method: "POST",
      body: new Blob([Buffer.alloc(limit + 1)]).stream(),
      duplex: "half",
    } as RequestInit);
    expect([chunked.status, await chunked.json()]).toEqual([
      413,
      { message: "the request body is larger than 10 MiB" },
    ]);
  });

  it("does not read a large body faster than the Worker does", async () => {
    const { origin } = await setUp((request) => request.pause());
    const request = http.request(`${origin}/x`, { method: "POST", headers: { "Content-Length": 9 << 20 } });
    request.on("error", () => {});
    let sent = 0;
    for (let i = 0; i < 9 * 16; i++) request.write(randomBytes(65_536), () => (sent += 65_536));
    await sleep(500);
    expect(sent).toBeLessThan(9 << 20);
    request.destroy();
  });

  it("answers 502 with a message when the Worker is down, and cuts the connection when it breaks off", async () => {
    let breakOff = () => {};
    const { worker, gateway, origin } = await setUp((_, response) => {
      response.write("half");
      breakOff = () => response.destroy();
    });
    const half = await fetch(`${origin}/x`);
    breakOff();
    await expect(half.text()).rejects.toThrow();
    await worker.close();
    const response = await fetch(`${origin}/secret-path?token=secret`);
    expect(response.status).toBe(502);
    expect(response.headers.get("retry-after")).toBe("5");
    expect(await response.json()).toEqual({ message: "the control server cannot be reached" });
    expect(JSON.stringify(gateway.events)).not.toContain("secret");
    expect(gateway.events).toHaveLength(1);
  });

  it("sends a request without a body again when it met a connection that the Worker had just closed", async () => {
    let count = 0;
    const { origin } = await setUp((request, response) => {
      count += 1;
      if (count === 2) request.socket.destroy();
      else response.end(`answer ${count}`);
    });
    expect(await (await fetch(`${origin}/a`)).text()).toBe("answer 1");
    expect(await (await fetch(`${origin}/b`)).text()).toBe("answer 3");
  });

  it("gives up on the Worker's answer when the client leaves", async () => {
    let asked = 0;
    let closed = 0;
    const { origin } = await setUp((request) => {
      asked += 1;
      request.socket.on("close", () => (closed += 1));
    });
    const request = http.get(`${origin}/slow`);
    request.on("error", () => {});
    await expect.poll(() => asked).toBe(1);
    request.destroy();
    await expect.poll(() => closed).toBe(1);
  });

  it("answers /generate_204 itself and echoes only a well-formed challenge", async () => {
    const { worker, origin } = await setUp(undefined);
    await worker.close();
    const answer = (challenge: string) =>
      fetch(`${origin}/generate_204`, { headers: { "X-Tailscale-Challenge": challenge } });
    const good = await answer("ts_derp-1.example:80");
    expect(good.status).toBe(204);
    expect(good.headers.get("x-tailscale-response")).toBe("response ts_derp-1.example:80");
    expect(good.headers.get("cache-control")).toBe("no-cache, no-store, must-revalidate, no-transform, max-age=0");
    for (const bad of ["a b", "<script>", "x".repeat(65)]) {
      expect((await answer(bad)).headers.get("x-tailscale-response")).toBeNull();
    }
  });

  it("answers /ts2021 without an upgrade with 400, as when a proxy has stripped it", async () => {
    const { origin } = await setUp(undefined);
    const response = await fetch(`${origin}/ts2021`, { method: "POST", headers: { "X-Tailscale-Handshake": "AAAA" } });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("missing or unknown Upgrade header");
  });

  it("ignores an offer of h2c and answers the request", async () => {
    const { gateway } = await setUp(undefined);
    const client = await connectRaw(gateway.httpPort);
    client.send("GET /key HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n");
    expect(String(await client.rest())).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*stand-in/);
    client.socket.destroy();
  });

  it("ends a kept connection with its next answer while draining", async () => {
    const { gateway, origin } = await setUp(undefined);
    const agent = new http.Agent({ keepAlive: true });
    const get = async () => {
      const [response] = (await once(http.get(`${origin}/key`, { agent }), "response")) as [IncomingMessage];
      response.resume();
      return response.headers.connection;
    };
    expect(await get()).toBe("keep-alive");
    const slow = await connectRaw(gateway.httpPort);
    slow.send("GET /key HTTP/1.1\r\nHost: x\r\n");
    const drained = gateway.gateway.drain(25);
    slow.send("\r\n");
    expect(await slow.head()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close\r\n/);
    slow.socket.end();
    expect((await drained).seconds).toBeLessThan(20);
    agent.destroy();
  });
});
