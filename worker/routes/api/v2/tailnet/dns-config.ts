// The oldest form of the DNS settings, which the first Go client of the hosted service still has: the fields of what clients
// are told (`DNSConfig`), and so another view of what dns.ts shows.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { resultOf } from "../../../../middleware/on-error.ts";
import type { DnsSettings } from "../../../../tailnet/commands/configuration/set-dns.ts";
import type { Nameserver } from "../../../../tailnet/entities/settings.ts";
import { apiRoute, body, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const Resolver = z.object({ addr: z.string(), useWithExitNode: z.boolean().nullish() });
const resolvers = z.array(Resolver).readonly();
const strings = z.array(z.string()).readonly();
const Config = z
  .object({
    resolvers: resolvers
      .nullish()
      .openapi({ description: "Nameservers in place of those of the device's own network." }),
    fallbackResolvers: resolvers.nullish().openapi({ description: "Nameservers for devices that have none." }),
    routes: z.record(z.string(), resolvers.nullable()).nullish().openapi({ description: "Domains with their own." }),
    domains: strings.nullish().openapi({ description: "Search paths." }),
    proxied: z.boolean().nullish().openapi({ description: "Whether MagicDNS is on." }),
    nameservers: strings.nullish().openapi({ description: "Always empty." }),
  })
  .openapi("DnsConfig");

const where = { path: "/tailnet/{tailnet}/dns/config" as const, tags: ["DNS"] };
const params = z.object({ tailnet: TailnetName });

const getConfig = apiRoute("getDnsConfig", {
  ...where,
  method: "get",
  summary: "Get all DNS settings in their oldest form",
  description: "For old clients; new ones use `dns/configuration`.",
  request: { params },
  responses: { 200: reply(Config, "DNS settings") },
});

const setConfig = apiRoute("setDnsConfig", {
  ...where,
  method: "post",
  summary: "Replace all DNS settings in their oldest form",
  description: "Nameservers are given as `resolvers` or as `fallbackResolvers`, not as both.",
  request: { params, body: body(Config) },
  responses: { 200: reply(Config, "DNS settings") },
});

/** The oldest form of the DNS settings. */
export const dnsConfigRoutes = new OpenAPIHono<{ Bindings: Env }>();

dnsConfigRoutes.openapi(getConfig, async (c) => c.json(toConfig(await c.var.administration.dns.get()), 200));

dnsConfigRoutes.openapi(setConfig, async (c) => {
  const { resolvers: ours, fallbackResolvers, routes, domains, proxied, nameservers } = c.req.valid("json");
  const overriding = toNameservers(ours);
  const fallback = toNameservers(fallbackResolvers);
  if (overriding.length > 0 && fallback.length > 0) {
    throw refusal("resolvers and fallbackResolvers can not both be set: a tailnet has one list of nameservers");
  }
  if (nameservers != null && nameservers.length > 0) throw refusal("nameservers can not be set: use resolvers");
  const split = Object.entries(routes ?? {}).map(([name, each]) => [name.toLowerCase(), toNameservers(each)] as const);
  const outcome = await c.var.administration.dns.set({
    nameservers: [...overriding, ...fallback],
    isLocalDnsOverridden: overriding.length > 0,
    splitDns: Object.fromEntries(split.filter(([, servers]) => servers.length > 0)),
    searchPaths: domains ?? [],
    isMagicDnsOn: proxied ?? false,
  });
  return c.json(toConfig(resultOf(outcome)), 200);
});

function refusal(message: string): HTTPException {
  return new HTTPException(400, { message });
}

function toNameservers(servers: z.infer<typeof resolvers> | null | undefined): readonly Nameserver[] {
  return (servers ?? []).map(({ addr, useWithExitNode }) => ({
    address: addr,
    useWithExitNode: useWithExitNode ?? false,
  }));
}

function toConfig(settings: DnsSettings): z.infer<typeof Config> {
  const shown = (servers: readonly Nameserver[]) =>
    servers.map(({ address, useWithExitNode }) => ({ addr: address, ...(useWithExitNode && { useWithExitNode }) }));
  const global = shown(settings.nameservers);
  return {
    resolvers: settings.isLocalDnsOverridden ? global : [],
    fallbackResolvers: settings.isLocalDnsOverridden ? [] : global,
    routes: Object.fromEntries(Object.entries(settings.splitDns).map(([name, each]) => [name, shown(each)])),
    domains: settings.searchPaths,
    proxied: settings.isMagicDnsOn,
    nameservers: [],
  };
}
