import { describe, expect, it } from "vitest";
import { isOurUpgrade, pathOf, type RequestHead, readUpgrade } from "./upgrade.ts";

const control: RequestHead = {
  method: "POST",
  url: "/ts2021",
  httpVersion: "1.1",
  headers: { upgrade: "tailscale-control-protocol", "x-tailscale-handshake": "ab+/", "content-length": "0" },
};

function withHeaders(head: RequestHead, headers: RequestHead["headers"]): RequestHead {
  return { ...head, headers: { ...head.headers, ...headers } };
}

describe("readUpgrade", () => {
  it("reads the native control upgrade by POST and by GET, in any spelling of the protocol", () => {
    expect(readUpgrade(control)).toEqual({ kind: "control", handshake: "ab+/" });
    expect(readUpgrade({ ...control, method: "GET" })).toMatchObject({ kind: "control" });
    expect(readUpgrade(withHeaders(control, { upgrade: "Tailscale-Control-Protocol" }))).toMatchObject({
      kind: "control",
    });
  });

  it("reads the DERP upgrade and its fast start", () => {
    const derp: RequestHead = { method: "GET", url: "/derp", httpVersion: "1.1", headers: { upgrade: "DERP" } };
    expect(readUpgrade(derp)).toEqual({ kind: "derp", isFastStart: false });
    expect(readUpgrade(withHeaders(derp, { "derp-fast-start": "1" }))).toEqual({ kind: "derp", isFastStart: true });
    expect(readUpgrade({ ...derp, method: "POST" })).toMatchObject({ kind: "refused", status: 400 });
  });

  it("takes any WebSocket request that begins with GET", () => {
    const head: RequestHead = {
      method: "GET",
      url: "/live?x=1",
      httpVersion: "1.1",
      headers: { upgrade: "WebSocket" },
    };
    expect(readUpgrade(head)).toEqual({ kind: "websocket" });
    expect(readUpgrade({ ...head, method: "POST" })).toMatchObject({ kind: "refused", status: 400 });
  });

  it.each([
    ["unknown Upgrade", withHeaders(control, { upgrade: "smtp" })],
    ["no handshake", withHeaders(control, { "x-tailscale-handshake": undefined })],
    ["empty handshake", withHeaders(control, { "x-tailscale-handshake": "" })],
    ["handshake that is not base64", withHeaders(control, { "x-tailscale-handshake": "ab-_" })],
    ["handshake without its padding", withHeaders(control, { "x-tailscale-handshake": "abc" })],
    ["handshake that is too long", withHeaders(control, { "x-tailscale-handshake": "A".repeat(4_100) })],
    ["HTTP/1.0", { ...control, httpVersion: "1.0" }],
    ["another method", { ...control, method: "PUT" }],
    ["a body", withHeaders(control, { "content-length": "5" })],
    ["a chunked body", withHeaders(control, { "transfer-encoding": "chunked" })],
  ])("refuses with 400: %s", (_, head) => {
    expect(readUpgrade(head)).toMatchObject({ kind: "refused", cause: "bad-request", status: 400 });
  });

  it("takes a handshake of the longest length that is allowed", () => {
    const head = withHeaders(control, { "x-tailscale-handshake": "A".repeat(4_096) });
    expect(readUpgrade(head)).toMatchObject({ kind: "control" });
  });
});

describe("isOurUpgrade", () => {
  it("ignores offers on ordinary paths, as h2c of a REST client", () => {
    expect(isOurUpgrade({ method: "GET", url: "/api/v2/x", httpVersion: "1.1", headers: { upgrade: "h2c" } })).toBe(
      false,
    );
    expect(isOurUpgrade({ method: "GET", url: "/derp", httpVersion: "1.1", headers: { upgrade: "h2c" } })).toBe(false);
  });

  it("claims every upgrade of /ts2021, DERP of /derp and WebSockets anywhere", () => {
    expect(isOurUpgrade({ ...control, url: "/ts2021?x=1" })).toBe(true);
    expect(isOurUpgrade(withHeaders(control, { upgrade: "smtp" }))).toBe(true);
    expect(isOurUpgrade({ method: "GET", url: "/derp", httpVersion: "1.1", headers: { upgrade: "derp" } })).toBe(true);
    expect(isOurUpgrade({ method: "GET", url: "/x", httpVersion: "1.1", headers: { upgrade: "websocket" } })).toBe(
      true,
    );
  });
});

describe("pathOf", () => {
  it("cuts query and fragment", () => {
    expect([pathOf("/a?b=/c"), pathOf("/a#b?c"), pathOf("/a"), pathOf("")]).toEqual(["/a", "/a", "/a", ""]);
  });
});
