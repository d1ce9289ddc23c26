import { afterEach, describe, expect, it } from "vitest";
import { parseListenAddress } from "../daemon/metrics-server.ts";
import { connectRaw, controlRequest } from "../testing/raw-client.ts";
import { startStandIn } from "../testing/stand-in-worker.ts";
import { startTestGateway } from "../testing/test-gateway.ts";
import { startTrunkWorker } from "../testing/trunk-worker.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe("metrics", () => {
  it("counts bridges, bytes, refusals, ends, answers and dial times", async () => {
    const worker = await startStandIn();
    cleanUps.push(() => worker.close());
    const gateway = await startTestGateway(worker.url, { metrics: { host: "127.0.0.1", port: 0 } });
    cleanUps.push(() => gateway.gateway.drain(0));
    const scrape = async () => (await fetch(`http://127.0.0.1:${gateway.metricsPort}/metrics`)).text();

    const client = await connectRaw(gateway.httpPort);
    client.send(`${controlRequest()}12345`);
    const { webSocket } = await worker.next();
    webSocket.send(Buffer.from("1234567"));
    await client.head();
    await client.bytes(7);
    const bad = await connectRaw(gateway.httpPort);
    bad.send(controlRequest("!"));
    await bad.rest();
    await (await fetch(`http://127.0.0.1:${gateway.httpPort}/key`)).text();
    const during = await scrape();
    expect(during).toContain('flarescale_gateway_bridges{kind="control"} 1\n');
    expect(during).toContain('flarescale_gateway_bytes_total{kind="control",direction="to_worker"} 5\n');
    expect(during).toContain('flarescale_gateway_bytes_total{kind="control",direction="to_client"} 7\n');
    expect(during).toContain('flarescale_gateway_refusals_total{cause="bad-request"} 1\n');
    expect(during).toContain('flarescale_gateway_dial_seconds_count{kind="control"} 1\n');
    expect(during).toContain('flarescale_gateway_http_responses_total{status="2xx"} 1\n');
    client.socket.end();
    await client.rest();
    await expect
      .poll(scrape)
      .toContain('flarescale_gateway_bridge_ends_total{kind="control",cause="client-closed"} 1\n');
    const after = await scrape();
    expect(after).toContain('flarescale_gateway_bridges{kind="control"} 0\n');
    expect(after).toContain('flarescale_gateway_bridge_age_seconds_count{kind="control"} 1\n');
    expect(after).toContain("nodejs_eventloop_lag_seconds");
  });

  it("counts trunks and what is on them", async () => {
    const worker = await startTrunkWorker();
    cleanUps.push(() => worker.close());
    const gateway = await startTestGateway(worker.url, { metrics: { host: "127.0.0.1", port: 0 } });
    cleanUps.push(() => gateway.gateway.drain(0));
    const scrape = async () => (await fetch(`http://127.0.0.1:${gateway.metricsPort}/metrics`)).text();
    const clients = await Promise.all(Array.from({ length: 17 }, () => connectRaw(gateway.httpPort)));
    for (const client of clients) client.send(controlRequest());
    await Promise.all(clients.map((client) => client.head()));
    const during = await scrape();
    expect(during).toContain('flarescale_gateway_bridges{kind="control"} 17\n');
    expect(during).toContain("flarescale_gateway_trunks 2\n");
    expect(during).toContain("flarescale_gateway_trunk_channels 17\n");
    for (const { socket } of clients) socket.destroy();
    await expect.poll(scrape).toContain("flarescale_gateway_trunk_channels 0\n");
  });

  it("is healthy and ready, and not ready while it drains", async () => {
    const worker = await startStandIn();
    cleanUps.push(() => worker.close());
    const gateway = await startTestGateway(worker.url, { metrics: { host: "127.0.0.1", port: 0 } });
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${gateway.metricsPort}${path}`)).status;
    expect([await status("/healthz"), await status("/readyz"), await status("/other")]).toEqual([200, 200, 404]);
    const client = await connectRaw(gateway.httpPort);
    client.send(controlRequest());
    await client.head();
    const drained = gateway.gateway.drain(25);
    expect([await status("/healthz"), await status("/readyz")]).toEqual([200, 503]);
    client.socket.destroy();
    await drained;
  });

  it("is not on the ports of clients", async () => {
    const worker = await startStandIn({ onRequest: (_, response) => response.writeHead(404).end() });
    cleanUps.push(() => worker.close());
    const gateway = await startTestGateway(worker.url);
    cleanUps.push(() => gateway.gateway.drain(0));
    expect((await fetch(`http://127.0.0.1:${gateway.httpPort}/metrics`)).status).toBe(404);
    expect(gateway.metricsPort).toBeUndefined();
  });
});

describe("parseListenAddress", () => {
  it("reads addresses of both families and none", () => {
    expect(parseListenAddress("m", "127.0.0.1:9090")).toEqual({ host: "127.0.0.1", port: 9090 });
    expect(parseListenAddress("m", "[::1]:0")).toEqual({ host: "::1", port: 0 });
    expect(parseListenAddress("m", ":9090")).toEqual({ host: undefined, port: 9090 });
  });

  it.each(["9090", "::1:9090", "[x]:1", "a:70000", "a:b"])("refuses %s", (text) => {
    expect(() => parseListenAddress("m", text)).toThrow("--m must look like");
  });
});
