import { expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../tailnet/entities/settings.ts";
import { toDnsConfig } from "./to-dns-config.ts";

const SUFFIX = "tail.example.com";
const CONTEXT = { magicDnsSuffix: SUFFIX };

const servers = (...addresses: string[]) => addresses.map((address) => ({ address, useWithExitNode: false }));

it("answers names of the tailnet by MagicDNS and leaves the rest to the device", () => {
  expect(toDnsConfig(DEFAULT_SETTINGS, CONTEXT)).toEqual({
    Routes: { [SUFFIX]: null },
    Domains: [SUFFIX],
    Proxied: true,
  });
});

it("is complete but empty without MagicDNS: absent fields would keep their old values", () => {
  expect(toDnsConfig({ ...DEFAULT_SETTINGS, isMagicDnsOn: false }, CONTEXT)).toEqual({
    Routes: {},
    Domains: [],
    Proxied: false,
  });
});

it("has global resolvers, split DNS and search domains, the tailnet's own first", () => {
  const settings = {
    ...DEFAULT_SETTINGS,
    nameservers: servers("192.0.2.53", "https://dns.example.com/dns-query"),
    searchPaths: ["corp.example.com"],
    splitDns: { "corp.example.com": servers("192.0.2.54", "[2001:db8::53]:5353"), "void.example.com": [] },
  };
  expect(toDnsConfig(settings, CONTEXT)).toEqual({
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
  const settings = { ...DEFAULT_SETTINGS, splitDns: { [SUFFIX]: servers("192.0.2.54") } };
  expect(toDnsConfig(settings, CONTEXT).Routes).toEqual({ [SUFFIX]: null });
});

it("keeps a domain named __proto__ a domain", () => {
  const splitDns = JSON.parse('{"__proto__":[{"address":"192.0.2.54","useWithExitNode":false}]}');
  const { Routes } = toDnsConfig({ ...DEFAULT_SETTINGS, splitDns }, CONTEXT);
  expect(JSON.stringify(Routes)).toContain('"__proto__":[{"Addr":"192.0.2.54"}]');
});

it("leaves the device its own resolvers unless they are overridden, and says which to use beside an exit node", () => {
  const settings = {
    ...DEFAULT_SETTINGS,
    isLocalDnsOverridden: false,
    nameservers: [{ address: "192.0.2.53", useWithExitNode: true }],
  };
  const config = toDnsConfig(settings, CONTEXT);
  expect(config.Resolvers).toBeUndefined();
  expect(config.FallbackResolvers).toEqual([{ Addr: "192.0.2.53", UseWithExitNode: true }]);
});

it("names the node for certificates, and Services with both of their addresses", () => {
  const web = { id: "1", name: "svc:web", ipv4: "100.64.0.9", ipv6: "fd7a:115c:a1e0::9", decisions: {} };
  const config = toDnsConfig(DEFAULT_SETTINGS, { ...CONTEXT, services: [web], certDomains: [`a.${SUFFIX}`] });
  expect(config.CertDomains).toEqual([`a.${SUFFIX}`]);
  expect(config.ExtraRecords).toEqual([
    { Name: `web.${SUFFIX}`, Type: "A", Value: "100.64.0.9" },
    { Name: `web.${SUFFIX}`, Type: "AAAA", Value: "fd7a:115c:a1e0::9" },
  ]);
});
