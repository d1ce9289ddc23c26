import { expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../tailnet/entities/settings.ts";
import { toDnsConfig } from "./to-dns-config.ts";

const SUFFIX = "tail.example.com";

it("answers names of the tailnet by MagicDNS and leaves the rest to the device", () => {
  expect(toDnsConfig(DEFAULT_SETTINGS, SUFFIX)).toEqual({
    Routes: { [SUFFIX]: null },
    Domains: [SUFFIX],
    Proxied: true,
  });
});

it("is complete but empty without MagicDNS: absent fields would keep their old values", () => {
  expect(toDnsConfig({ ...DEFAULT_SETTINGS, isMagicDnsOn: false }, SUFFIX)).toEqual({
    Routes: {},
    Domains: [],
    Proxied: false,
  });
});

it("has global resolvers, split DNS and search domains, the tailnet's own first", () => {
  const settings = {
    ...DEFAULT_SETTINGS,
    nameservers: ["192.0.2.53", "https://dns.example.com/dns-query"],
    searchPaths: ["corp.example.com"],
    splitDns: { "corp.example.com": ["192.0.2.54", "[2001:db8::53]:5353"], "void.example.com": [] },
  };
  expect(toDnsConfig(settings, SUFFIX)).toEqual({
    Resolvers: [{ Addr: "192.0.2.53" }, { Addr: "https://dns.example.com/dns-query" }],
    Routes: {
      "corp.example.com": [{ Addr: "192.0.2.54" }, { Addr: "[2001:db8::53]:5353" }],
      "void.example.com": [],
      [SUFFIX]: null,
    },
    Domains: [SUFFIX, "corp.example.com"],
    Proxied: true,
  });
});

it("does not let split DNS take the tailnet's own names", () => {
  const settings = { ...DEFAULT_SETTINGS, splitDns: { [SUFFIX]: ["192.0.2.54"] } };
  expect(toDnsConfig(settings, SUFFIX).Routes).toEqual({ [SUFFIX]: null });
});

it("keeps a domain named __proto__ a domain", () => {
  const splitDns = JSON.parse('{"__proto__":["192.0.2.54"]}');
  const { Routes } = toDnsConfig({ ...DEFAULT_SETTINGS, splitDns }, SUFFIX);
  expect(JSON.stringify(Routes)).toContain('"__proto__":[{"Addr":"192.0.2.54"}]');
});
