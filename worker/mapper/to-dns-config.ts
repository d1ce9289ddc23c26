// Settings → DNSConfig (control-protocol.md 5.13). The same for every node so far.
import type { DnsConfig } from "../protocol/control/dns.ts";
import type { Settings } from "../tailnet/entities/settings.ts";

/** DNS configuration of the tailnet's nodes. */
export function toDnsConfig(settings: Settings, magicDnsSuffix: string): DnsConfig {
  const resolvers = (addresses: readonly string[]) => addresses.map((Addr) => ({ Addr }));
  const split = Object.entries(settings.splitDns).map(([domain, addresses]) => [domain, resolvers(addresses)] as const);
  const magic = settings.isMagicDnsOn ? ([[magicDnsSuffix, null]] as const) : [];
  return {
    ...(settings.nameservers.length > 0 && { Resolvers: resolvers(settings.nameservers) }),
    Routes: Object.fromEntries([...split, ...magic]),
    Domains: [...(settings.isMagicDnsOn ? [magicDnsSuffix] : []), ...settings.searchPaths],
    Proxied: settings.isMagicDnsOn,
  };
}
