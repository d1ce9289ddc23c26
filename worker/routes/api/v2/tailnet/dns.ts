// DNS: four older views of the settings and one of the whole (api-v2.md 2.8).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { resultOf } from "../../../../middleware/on-error.ts";
import type { DnsSettings } from "../../../../tailnet/commands/configuration/set-dns.ts";
import type { Nameserver } from "../../../../tailnet/entities/settings.ts";
import { apiRoute, body, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const TAGS = ["DNS"];
const params = z.object({ tailnet: TailnetName });
const strings = z.array(z.string()).readonly();

const Nameservers = z
  .object({ dns: strings.openapi({ example: ["9.9.9.9", "2620:fe::fe"] }) })
  .openapi("DnsNameservers");
const MagicDns = z.object({ magicDNS: z.boolean() }).openapi("DnsPreferences");
const SearchPaths = z.object({ searchPaths: strings }).openapi("DnsSearchPaths");
const SplitDns = z
  .record(z.string(), strings.nullable())
  .openapi("SplitDns", { example: { "corp.example.com": ["192.0.2.53"] } });
const Resolver = z.object({ address: z.string(), useWithExitNode: z.boolean().nullish() });
const resolvers = z.array(Resolver).readonly();
const Configuration = z
  .object({
    nameservers: resolvers.nullish(),
    splitDNS: z.record(z.string(), resolvers.nullable()).nullish(),
    searchPaths: strings.nullish(),
    preferences: z.object({ overrideLocalDNS: z.boolean().nullish(), magicDNS: z.boolean().nullish() }).nullish(),
  })
  .openapi("DnsConfiguration", { description: "Empty members are left out." });

const listNameservers = apiRoute("listDnsNameservers", {
  method: "get",
  path: "/tailnet/{tailnet}/dns/nameservers",
  tags: TAGS,
  summary: "List global nameservers",
  request: { params },
  responses: { 200: reply(Nameservers, "Nameservers in order of preference") },
});

const setNameservers = apiRoute("setDnsNameservers", {
  method: "post",
  path: "/tailnet/{tailnet}/dns/nameservers",
  tags: TAGS,
  summary: "Set global nameservers",
  request: { params, body: body(z.object({ dns: strings.nullish() })) },
  responses: { 200: reply(Nameservers.extend({ magicDNS: z.boolean() }), "The nameservers") },
});

const getPreferences = apiRoute("getDnsPreferences", {
  method: "get",
  path: "/tailnet/{tailnet}/dns/preferences",
  tags: TAGS,
  summary: "Tell whether MagicDNS is on",
  request: { params },
  responses: { 200: reply(MagicDns, "Preferences") },
});

const setPreferences = apiRoute("setDnsPreferences", {
  method: "post",
  path: "/tailnet/{tailnet}/dns/preferences",
  tags: TAGS,
  summary: "Switch MagicDNS on or off",
  request: { params, body: body(MagicDns) },
  responses: { 200: reply(MagicDns, "Preferences") },
});

const listSearchPaths = apiRoute("listDnsSearchPaths", {
  method: "get",
  path: "/tailnet/{tailnet}/dns/searchpaths",
  tags: TAGS,
  summary: "List search paths",
  request: { params },
  responses: { 200: reply(SearchPaths, "Search paths in order") },
});

const setSearchPaths = apiRoute("setDnsSearchPaths", {
  method: "post",
  path: "/tailnet/{tailnet}/dns/searchpaths",
  tags: TAGS,
  summary: "Set search paths",
  request: { params, body: body(z.object({ searchPaths: strings.nullish() })) },
  responses: { 200: reply(SearchPaths, "Search paths in order") },
});

const split = { path: "/tailnet/{tailnet}/dns/split-dns", tags: TAGS } as const;
const splitReply = { 200: reply(z.record(z.string(), strings), "All domains with their nameservers") };

const getSplitDns = apiRoute("getSplitDns", {
  ...split,
  method: "get",
  summary: "List domains with nameservers of their own",
  request: { params },
  responses: splitReply,
});

const updateSplitDns = apiRoute("updateSplitDns", {
  ...split,
  method: "patch",
  summary: "Change domains with nameservers of their own",
  description: "`null` or an empty list takes a domain out; domains that are not named stay.",
  request: { params, body: body(SplitDns) },
  responses: splitReply,
});

const setSplitDns = apiRoute("setSplitDns", {
  ...split,
  method: "put",
  summary: "Replace domains with nameservers of their own",
  request: { params, body: body(SplitDns) },
  responses: splitReply,
});

const whole = { path: "/tailnet/{tailnet}/dns/configuration", tags: TAGS } as const;

const getConfiguration = apiRoute("getDnsConfiguration", {
  ...whole,
  method: "get",
  summary: "Get all DNS settings",
  request: { params },
  responses: { 200: reply(Configuration, "DNS settings") },
});

const setConfiguration = apiRoute("setDnsConfiguration", {
  ...whole,
  method: "post",
  summary: "Replace all DNS settings",
  request: { params, body: body(Configuration) },
  responses: { 200: reply(Configuration, "DNS settings") },
});

/** DNS settings. */
export const dnsRoutes = new OpenAPIHono<{ Bindings: Env }>();

dnsRoutes.openapi(listNameservers, async (c) => {
  return c.json({ dns: addresses((await c.var.administration.dns.get()).nameservers) }, 200);
});

dnsRoutes.openapi(setNameservers, async (c) => {
  const settings = resultOf(await c.var.administration.dns.setNameservers(c.req.valid("json").dns ?? []));
  return c.json({ dns: addresses(settings.nameservers), magicDNS: settings.isMagicDnsOn }, 200);
});

dnsRoutes.openapi(getPreferences, async (c) => {
  return c.json({ magicDNS: (await c.var.administration.dns.get()).isMagicDnsOn }, 200);
});

dnsRoutes.openapi(setPreferences, async (c) => {
  const settings = resultOf(await c.var.administration.dns.set({ isMagicDnsOn: c.req.valid("json").magicDNS }));
  return c.json({ magicDNS: settings.isMagicDnsOn }, 200);
});

dnsRoutes.openapi(listSearchPaths, async (c) => {
  return c.json({ searchPaths: (await c.var.administration.dns.get()).searchPaths }, 200);
});

dnsRoutes.openapi(setSearchPaths, async (c) => {
  const settings = resultOf(await c.var.administration.dns.set({ searchPaths: c.req.valid("json").searchPaths ?? [] }));
  return c.json({ searchPaths: settings.searchPaths }, 200);
});

dnsRoutes.openapi(getSplitDns, async (c) => c.json(splitOf(await c.var.administration.dns.get()), 200));

dnsRoutes.openapi(updateSplitDns, async (c) => {
  return c.json(splitOf(resultOf(await c.var.administration.dns.setSplit(c.req.valid("json"), false))), 200);
});

dnsRoutes.openapi(setSplitDns, async (c) => {
  return c.json(splitOf(resultOf(await c.var.administration.dns.setSplit(c.req.valid("json"), true))), 200);
});

dnsRoutes.openapi(getConfiguration, async (c) => c.json(toConfiguration(await c.var.administration.dns.get()), 200));

dnsRoutes.openapi(setConfiguration, async (c) => {
  const { nameservers, splitDNS, searchPaths, preferences } = c.req.valid("json");
  const domains = Object.entries(splitDNS ?? {}).filter(([, servers]) => servers !== null && servers.length > 0);
  const outcome = await c.var.administration.dns.set({
    nameservers: toNameservers(nameservers),
    splitDns: Object.fromEntries(domains.map(([name, servers]) => [name.toLowerCase(), toNameservers(servers)])),
    searchPaths: searchPaths ?? [],
    isMagicDnsOn: preferences?.magicDNS ?? false,
    isLocalDnsOverridden: preferences?.overrideLocalDNS ?? false,
  });
  return c.json(toConfiguration(resultOf(outcome)), 200);
});

function addresses(servers: readonly Nameserver[]): readonly string[] {
  return servers.map(({ address }) => address);
}

function splitOf({ splitDns }: DnsSettings): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(splitDns).map(([domain, servers]) => [domain, addresses(servers)]));
}

function toNameservers(servers: z.infer<typeof resolvers> | null | undefined): readonly Nameserver[] {
  return (servers ?? []).map(({ address, useWithExitNode }) => ({
    address,
    useWithExitNode: useWithExitNode ?? false,
  }));
}

/** Empty members are left out: clients compare with a value that has none (api-v2.md 2.8). */
function toConfiguration(settings: DnsSettings): z.infer<typeof Configuration> {
  const shown = (servers: readonly Nameserver[]) =>
    servers.map(({ address, useWithExitNode }) => ({ address, ...(useWithExitNode && { useWithExitNode }) }));
  const domains = Object.entries(settings.splitDns).map(([domain, servers]) => [domain, shown(servers)] as const);
  const { nameservers, searchPaths, isLocalDnsOverridden, isMagicDnsOn } = settings;
  return {
    ...(nameservers.length > 0 && { nameservers: shown(nameservers) }),
    ...(domains.length > 0 && { splitDNS: Object.fromEntries(domains) }),
    ...(searchPaths.length > 0 && { searchPaths }),
    preferences: { overrideLocalDNS: isLocalDnsOverridden, magicDNS: isMagicDnsOn },
  };
}
