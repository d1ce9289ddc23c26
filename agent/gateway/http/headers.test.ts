import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { endToEnd, isLoop, requestHeaders, responseHeaders } from "./headers.ts";

const UPSTREAM = new URL("https://worker.example");

function request(rawHeaders: string[], remoteAddress = "::ffff:10.1.2.3"): IncomingMessage {
  const headers: Record<string, string> = {};
  for (let i = 0; i < rawHeaders.length; i += 2)
    headers[String(rawHeaders[i]).toLowerCase()] = String(rawHeaders[i + 1]);
  return { rawHeaders, headers, httpVersion: "1.1", socket: { remoteAddress } } as unknown as IncomingMessage;
}

describe("endToEnd", () => {
  it("drops hop-by-hop headers and those that Connection names, and keeps repeated ones", () => {
    const raw = ["Set-Cookie", "a", "Connection", "close, X-Hop", "x-hop", "1", "TE", "trailers", "Set-Cookie", "b"];
    expect(endToEnd(raw)).toEqual(["Set-Cookie", "a", "Set-Cookie", "b"]);
  });
});

describe("requestHeaders", () => {
  it("sets the Worker's host and what the gateway knows about the client", () => {
    expect(requestHeaders(request(["Host", "gw.example:80", "Accept", "*/*"]), UPSTREAM)).toEqual([
      ...["Accept", "*/*", "Host", "worker.example", "X-Forwarded-Proto", "http", "X-Forwarded-For", "10.1.2.3"],
      ...["X-Forwarded-Host", "gw.example:80", "Via", expect.stringMatching(/^1\.1 flarescale-[0-9a-f]{12}$/)],
    ]);
  });

  it("replaces what a client says about itself", () => {
    const forged = ["X-Forwarded-For", "6.6.6.6", "CF-Connecting-IP", "6.6.6.6", "Forwarded", "for=6.6.6.6"];
    const headers = requestHeaders(request([...forged, "X-Real-IP", "6.6.6.6", "True-Client-IP", "6.6.6.6"]), UPSTREAM);
    expect(headers.join()).not.toContain("6.6.6.6");
    expect(headers.filter((name) => name === "X-Forwarded-For")).toHaveLength(1);
  });
});

describe("isLoop", () => {
  it("recognises a request that this process has sent, behind other proxies too", () => {
    const sent = requestHeaders(request(["Via", "1.1 other"]), UPSTREAM);
    const via = String(sent[sent.indexOf("Via") + 1]);
    expect(via).toMatch(/^1\.1 other, 1\.1 flarescale-/);
    expect(isLoop(request(["Via", `${via}, 1.1 third`]))).toBe(true);
    expect(isLoop(request(["Via", "1.1 other"]))).toBe(false);
  });
});

describe("responseHeaders", () => {
  it("drops the edge's offer of other ports", () => {
    expect(responseHeaders(["Alt-Svc", 'h3=":443"', "ETag", "x"])).toEqual(["ETag", "x"]);
  });
});
