import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostinfoForPeers, hostnameOf, parseHostinfo } from "./hostinfo.ts";
import { MalformedRequest } from "./json.ts";

/** What a Go client decodes into: the type of each field of tailcfg.Hostinfo that peers get. */
function decodesAtPeers(hostinfo: Record<string, unknown>): boolean {
  const isString = (v: unknown) => v === undefined || typeof v === "string";
  const isBoolean = (v: unknown) => v === undefined || typeof v === "boolean";
  const isList = (v: unknown, accept: (item: unknown) => boolean) =>
    v === undefined || (Array.isArray(v) && v.every(accept));
  const isService = (v: unknown) => {
    const { Proto, Port, ...rest } = v as Record<string, unknown>;
    const isPort = Number.isInteger(Port) && (Port as number) >= 0 && (Port as number) < 65536;
    return typeof Proto === "string" && isPort && Object.keys(rest).length === 0;
  };
  return (
    isString(hostinfo.OS) &&
    isString(hostinfo.Hostname) &&
    isBoolean(hostinfo.ShareeNode) &&
    isBoolean(hostinfo.AppConnector) &&
    isBoolean(hostinfo.PeerRelay) &&
    isList(hostinfo.sshHostKeys, (item) => typeof item === "string") &&
    isList(hostinfo.Services, isService)
  );
}

describe("hostile Hostinfo", () => {
  const FIELDS = ["OS", "Hostname", "ShareeNode", "sshHostKeys", "AppConnector", "PeerRelay", "Services"];
  const SERVICE = { Proto: "peerapi4", Port: 1 };

  it.each([
    ["OS", 5],
    ["Hostname", ["x"]],
    ["ShareeNode", "yes"],
    ["sshHostKeys", [1]],
    ["sshHostKeys", "ssh-ed25519"],
    ["AppConnector", "true"],
    ["PeerRelay", 1],
    ["Services", {}],
    ["Services", [null]],
    ["Services", [{ ...SERVICE, Port: "1" }]],
    ["Services", [{ ...SERVICE, Port: 65536 }]],
    ["Services", [{ ...SERVICE, Port: -1 }]],
    ["Services", [{ ...SERVICE, Proto: 4 }]],
    ["RequestTags", "tag:a"],
    ["RoutableIPs", [1]],
    ["NetInfo", []],
    ["NetInfo", { PreferredDERP: "1" }],
    ["NetInfo", { PreferredDERP: 2 ** 40 }],
  ])("is refused when %s is %j", (name, value) => {
    expect(() => parseHostinfo({ [name]: value })).toThrow(MalformedRequest);
  });

  it("is refused or decodes at every peer, whatever the fields hold", () => {
    const service = fc.record({
      Proto: fc.constantFrom("peerapi4", "tcp"),
      Port: fc.nat(70_000),
      port: fc.jsonValue(),
    });
    const value = fc.oneof(fc.jsonValue(), fc.array(service), fc.array(fc.string()), fc.boolean(), fc.string());
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...FIELDS), value), (raw) => {
        let kept: Record<string, unknown>;
        try {
          kept = hostinfoForPeers(parseHostinfo(raw));
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedRequest);
          return;
        }
        expect(decodesAtPeers(kept)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it("cannot bring a field of another type under another spelling", () => {
    const kept = parseHostinfo({ os: 5, Services: [{ ...SERVICE, port: "x" }] });
    expect(hostinfoForPeers(kept)).toEqual({ Services: [SERVICE] });
  });

  it("is refused when it is nested so deeply that writing it would fail", () => {
    const deep = JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`);
    expect(() => parseHostinfo({ deep })).toThrow("Hostinfo is nested too deeply");
  });

  it("keeps a field named __proto__ an ordinary field", () => {
    const kept = parseHostinfo(JSON.parse('{"__proto__":{"Hostname":"x"}}'));
    expect(hostnameOf(kept)).toBe("");
    expect(Object.getPrototypeOf(kept)).toBe(Object.prototype);
  });
});
