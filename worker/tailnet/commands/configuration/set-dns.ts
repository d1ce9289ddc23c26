// DNS settings (api-v2.md 2.8): one state behind four older views and one newer.
import { parseAddress } from "../../../protocol/ip.ts";
import { DNS_MAX_DOMAINS, DNS_MAX_NAMESERVERS, DNS_MAX_SEARCH_PATHS } from "../../../protocol/limits.ts";
import { type Decision, decided, refused } from "../../change.ts";
import type { Nameserver, Settings } from "../../entities/settings.ts";
import type { Tailnet } from "../../tailnet.ts";

/** The part of the settings that is about DNS. */
export type DnsSettings = Pick<
  Settings,
  "isMagicDnsOn" | "isLocalDnsOverridden" | "nameservers" | "searchPaths" | "splitDns"
>;

/** Replaces the parts of the DNS settings that are given. */
export function setDns(tailnet: Tailnet, changed: Partial<DnsSettings>): Decision<DnsSettings> {
  const settings: Settings = { ...tailnet.settings, ...changed };
  const problem = problemOf(settings);
  if (problem !== undefined) return refused({ reason: "invalid", detail: problem });
  return decided(settings, [{ type: "settings-put", settings }]);
}

/** Gives some domains other resolvers; null or none: the domain is treated like any other. */
export function patchSplitDns(
  tailnet: Tailnet,
  patch: Readonly<Record<string, readonly string[] | null>>,
): Decision<DnsSettings> {
  const { splitDns } = tailnet.settings;
  const merged = new Map(Object.entries(splitDns));
  for (const [name, addresses] of Object.entries(patch)) {
    const domain = name.toLowerCase();
    if (addresses === null || addresses.length === 0) merged.delete(domain);
    else merged.set(domain, withAddresses(merged.get(domain) ?? [], addresses));
  }
  return setDns(tailnet, { splitDns: Object.fromEntries(merged) });
}

/** Resolvers by their addresses alone; those that were there before keep how they are used. */
export function withAddresses(before: readonly Nameserver[], addresses: readonly string[]): readonly Nameserver[] {
  return addresses.map(
    (address) => before.find((known) => known.address === address) ?? { address, useWithExitNode: false },
  );
}

function problemOf({ nameservers, searchPaths, splitDns }: DnsSettings): string | undefined {
  const domains = Object.keys(splitDns);
  if (searchPaths.length > DNS_MAX_SEARCH_PATHS) return `at most ${DNS_MAX_SEARCH_PATHS} search paths`;
  if (domains.length > DNS_MAX_DOMAINS) return `at most ${DNS_MAX_DOMAINS} domains in split DNS`;
  for (const servers of [nameservers, ...Object.values(splitDns)]) {
    if (servers.length > DNS_MAX_NAMESERVERS) return `at most ${DNS_MAX_NAMESERVERS} nameservers in a list`;
    for (const { address } of servers) {
      if (!isNameserver(address)) {
        return `${JSON.stringify(address.slice(0, 100))} is no nameserver: use an IP address, with a port if need be, or an https URL`;
      }
    }
  }
  for (const name of [...searchPaths, ...domains]) {
    if (!isDomain(name)) return `${JSON.stringify(name.slice(0, 100))} is no domain name`;
  }
  return undefined;
}

/** A DNS name as clients take it: no dot at either end, underscores allowed. */
function isDomain(text: string): boolean {
  return (
    text.length <= 253 &&
    /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i.test(text)
  );
}

function isNameserver(text: string): boolean {
  if (text.length > 253) return false;
  if (text.startsWith("https://"))
    return /^https:\/\/[a-z0-9.-]+(:\d{1,5})?\/[\w./~%-]*$/i.test(text) && URL.canParse(text);
  if (parseAddress(text) !== undefined) return true;
  const [, v6, v4, port] = /^(?:\[([\da-f:.]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text) ?? [];
  return parseAddress(v6 ?? v4 ?? "") !== undefined && Number(port) > 0 && Number(port) <= 0xffff;
}
