// DNSConfig of a map response (tailcfg.DNSConfig, control-protocol.md 5.13). Always sent whole.

/** One upstream resolver: an IP, `ip:port` or a DoH URL. */
export interface DnsResolver {
  readonly Addr: string;
  readonly UseWithExitNode?: boolean;
}

/** DNS configuration of a node; a route with null resolvers is answered by MagicDNS. */
export interface DnsConfig {
  readonly Resolvers?: readonly DnsResolver[];
  readonly FallbackResolvers?: readonly DnsResolver[];
  readonly Routes?: { readonly [suffix: string]: readonly DnsResolver[] | null };
  readonly Domains?: readonly string[];
  readonly Proxied?: boolean;
  readonly CertDomains?: readonly string[];
  readonly ExtraRecords?: readonly { readonly Name: string; readonly Type?: string; readonly Value: string }[];
}
