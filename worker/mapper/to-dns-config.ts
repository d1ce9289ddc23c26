// Settings and Services → DNSConfig (control-protocol.md 5.13, 8.1 row 7, 8.4). The same for every node, but for the
// names that the node may have certificates for.
import type { DnsConfig } from "../protocol/control/dns.ts";
import { type Service, serviceLabel } from "../tailnet/entities/configuration/virtual-address.ts";
import type { Nameserver, Settings } from "../tailnet/entities/settings.ts";

/** What a node's DNS configuration is made of beside the settings. */
export interface DnsContext {
  readonly magicDnsSuffix: string;
  /** Services whose names the node can resolve. */
  readonly services?: readonly Service[];
  /** Names that the node may have certificates for. */
  readonly certDomains?: readonly string[];
}

/** DNS configuration of a node. */
export function toDnsConfig(settings: Settings, context: DnsContext): DnsConfig {
  const { magicDnsSuffix, services = [], certDomains = [] } = context;
  const split = Object.entries(settings.splitDns).map(([domain, servers]) => [domain, resolvers(servers)] as const);
  const magic = settings.isMagicDnsOn ? ([[magicDnsSuffix, null]] as const) : [];
  const records = settings.isMagicDnsOn ? services.flatMap((service) => recordsOf(service, magicDnsSuffix)) : [];
  const global = settings.isLocalDnsOverridden ? "Resolvers" : "FallbackResolvers";
  return {
    ...(settings.nameservers.length > 0 && { [global]: resolvers(settings.nameservers) }),
    Routes: Object.fromEntries([...split, ...magic]),
    Domains: [...(settings.isMagicDnsOn ? [magicDnsSuffix] : []), ...settings.searchPaths],
    Proxied: settings.isMagicDnsOn,
    ...(certDomains.length > 0 && { CertDomains: certDomains }),
    ...(records.length > 0 && { ExtraRecords: records }),
  };
}

function resolvers(servers: readonly Nameserver[]) {
  return servers.map(({ address, useWithExitNode }) => ({
    Addr: address,
    ...(useWithExitNode && { UseWithExitNode: true }),
  }));
}

function recordsOf({ name, ipv4, ipv6 }: Service, suffix: string) {
  const Name = `${serviceLabel(name)}.${suffix}`;
  return [
    { Name, Type: "A", Value: ipv4 },
    { Name, Type: "AAAA", Value: ipv6 },
  ];
}
