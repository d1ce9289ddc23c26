import { once } from "node:events";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../../command-line.ts";
import { connectRaw, controlRequest } from "../../testing/raw-client.ts";
import { startStandIn } from "../../testing/stand-in-worker.ts";
import { startTestGateway } from "../../testing/test-gateway.ts";
import { type Certificate, selfSignedCertificate } from "../certificate.ts";
import { createUpstream, parseUpstream } from "./upstream.ts";

describe("parseUpstream", () => {
  it("takes an origin of either scheme", () => {
    expect(parseUpstream("https://control.example.com").host).toBe("control.example.com");
    expect(parseUpstream("http://[::1]:8787/").host).toBe("[::1]:8787");
  });

  it.each([
    ["control.example.com", /is not a URL/],
    ["wss://control.example.com", /must begin with https/],
    ["https://control.example.com/path", /did you mean https:\/\/control\.example\.com\?/],
    ["https://user:secret@control.example.com", /without path, query or user/],
    ["https://control.example.com?x", /without path/],
  ])("refuses %s and says why", (text, reason) => {
    expect(() => parseUpstream(text)).toThrow(reason);
    expect(() => parseUpstream(text)).toThrow(UsageError);
  });
});

describe("a Worker behind TLS", () => {
  const authorities = tls.getCACertificates("default");
  let certificate: Certificate;
  beforeAll(async () => {
    certificate = await selfSignedCertificate(["127.0.0.1"]);
  });
  afterAll(() => tls.setDefaultCACertificates(authorities));

  it("is refused while its certificate is not trusted, for bridges and plain requests", async () => {
    const worker = await startStandIn({ tls: certificate });
    const gateway = await startTestGateway(worker.url);
    const client = await connectRaw(gateway.httpPort);
    client.send(controlRequest());
    expect(await client.head()).toMatch(/^HTTP\/1\.1 502 /);
    expect((await fetch(`http://127.0.0.1:${gateway.httpPort}/key`)).status).toBe(502);
    expect(gateway.events.map(({ fields }) => fields.detail)).toEqual(Array(2).fill("DEPTH_ZERO_SELF_SIGNED_CERT"));
    await gateway.gateway.drain(0);
    await worker.close();
  });

  it("carries bridges and requests, and resumes its TLS session for the next bridge", async () => {
    tls.setDefaultCACertificates([certificate.cert]);
    const worker = await startStandIn({ tls: certificate });
    const gateway = await startTestGateway(worker.url);
    const client = await connectRaw(gateway.httpPort);
    client.send(controlRequest());
    expect(await client.head()).toMatch(/^HTTP\/1\.1 101 /);
    expect(await (await fetch(`http://127.0.0.1:${gateway.httpPort}/key`)).text()).toBe("stand-in");
    client.socket.destroy();
    const { connect } = createUpstream(worker.url);
    const first = connect() as tls.TLSSocket;
    first.resume();
    await Promise.all([once(first, "secureConnect"), once(first, "session")]);
    const second = connect() as tls.TLSSocket;
    await once(second, "secureConnect");
    expect([first.isSessionReused(), second.isSessionReused()]).toEqual([false, true]);
    first.destroy();
    second.destroy();
    await gateway.gateway.drain(0);
    await worker.close();
  });
});
