import http from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../../command-line.ts";
import { connectRaw, controlRequest } from "../../testing/raw-client.ts";
import { type StandInWorker, startStandIn } from "../../testing/stand-in-worker.ts";
import { startTestGateway, type TestGateway } from "../../testing/test-gateway.ts";
import { parseHostMap } from "./routes.ts";

describe("--upstream", () => {
  it("takes one origin for every host, origins for hosts, or both", () => {
    const map = parseHostMap([
      "https://any.example",
      "One.Example.:443=https://one.workers.dev",
      "[::1]=http://[::1]:1",
    ]);
    expect(map.fallback?.origin).toBe("https://any.example");
    expect([...map.hosts].map(([host, { origin }]) => [host, origin])).toEqual([
      ["one.example", "https://one.workers.dev"],
      ["[::1]", "http://[::1]:1"],
    ]);
    expect(parseHostMap(["a.example=https://b.example"]).fallback).toBeUndefined();
  });

  it.each([
    [[], /is needed/],
    [["https://a.example", "https://b.example"], /may be given once/],
    [["a.example=https://b.example", "A.example=https://c.example"], /a\.example is given twice/],
    [["a b=https://c.example"], /"a b" is not a host name/],
    [["a.example=b.example"], /"b\.example" is not a URL/],
    [["a.example=https://b.example/path"], /without path/],
  ])("refuses %j and says why", (values, reason) => {
    expect(() => parseHostMap(values)).toThrow(reason);
    expect(() => parseHostMap(values)).toThrow(UsageError);
  });
});

describe("a gateway for several hosts", () => {
  let one: StandInWorker;
  let two: StandInWorker;
  let gateway: TestGateway;

  beforeAll(async () => {
    [one, two] = await Promise.all([startStandIn(), startStandIn()]);
    const hosts = new Map([
      ["one.example", one.url],
      ["two.example", two.url],
      ["derp.two.example", two.url],
    ]);
    gateway = await startTestGateway(one.url, { upstreams: { fallback: undefined, hosts } });
  });
  afterAll(async () => {
    await gateway.gateway.drain(0);
    await Promise.all([one.close(), two.close()]);
  });

  const upgrade = (host: string) => controlRequest().replace(/Host: [^\r]*/, `Host: ${host}`);
  const derp = (host: string, more = "") =>
    `GET /derp HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n${more}\r\n`;

  it.each([
    ["one.example", () => one],
    ["TWO.example.", () => two],
    ["two.example:8080", () => two],
  ])("leads a control connection to %s to its Worker", async (host, worker) => {
    const client = await connectRaw(gateway.httpPort);
    const accepted = worker().next();
    client.send(upgrade(host));
    const { request } = await accepted;
    expect(request.headers["x-forwarded-host"]).toBe(host);
    expect(await client.head()).toMatch(/^HTTP\/1\.1 101 /);
    client.socket.destroy();
  });

  it("leads a relay connection to the Worker of its host", async () => {
    const client = await connectRaw(gateway.httpPort);
    const accepted = two.next();
    client.send(derp("derp.two.example"));
    expect((await accepted).request.url).toBe("/derp");
    client.socket.destroy();
  });

  it.each(["three.example", "one.example.evil", "", "127.0.0.1"])(
    "refuses the unknown host %j in each form",
    async (host) => {
      for (const request of [upgrade(host), derp(host)]) {
        const client = await connectRaw(gateway.httpPort);
        client.send(request);
        expect(String(await client.rest())).toMatch(/^HTTP\/1\.1 421 .*this gateway does not serve the host/s);
      }
      const [status, body] = await get(host, "/key?v=142");
      expect([status, JSON.parse(body)]).toEqual([
        421,
        { message: "this gateway does not serve the host that the request names" },
      ]);
      const silent = await connectRaw(gateway.httpPort);
      silent.send(derp(host, "Derp-Fast-Start: 1\r\n"));
      expect(String(await silent.rest())).toBe(""); // it reads frames already
    },
  );

  it("answers the captive portal probe under any name: it is asked by address", async () => {
    expect((await get("127.0.0.1", "/generate_204"))[0]).toBe(204);
  });

  async function get(host: string, path: string): Promise<[status: number | undefined, body: string]> {
    const request = http.get({ host: "127.0.0.1", port: gateway.httpPort, path, headers: { host }, agent: false });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
      request.once("response", resolve).once("error", reject),
    );
    return [response.statusCode, await text(response)];
  }
});
