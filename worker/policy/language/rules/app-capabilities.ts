// The `app` field of grants: capability names and their opaque values (policy.md 7).
import type { CapMap } from "../../../protocol/control/filter-rule.ts";
import { type Node, type Problems, plainValue, quote, readEntries, readList } from "../document.ts";

/** Names under tailscale.com that a policy may grant; all others there belong to the control plane. */
const GRANTABLE: ReadonlySet<string> = new Set(
  ["drive", "relay", "webui", "kubernetes", "tsidp", "secrets", "golink", "tailsql", "pam"].map(
    (name) => `tailscale.com/cap/${name}`,
  ),
);

/** Reads `app`; null when absent or without any name. */
export function readApp(node: Node | undefined, where: string, problems: Problems): CapMap | null {
  if (node === undefined) return null;
  const entries = readEntries(node, `${where}.app`, problems) ?? [];
  const capMap: Record<string, readonly unknown[]> = Object.create(null);
  for (const [name, value] of entries) {
    const fault = nameFault(name.value);
    if (fault !== undefined) problems.error(fault, name.at);
    const list = value.type === "null" ? [] : readList(value, `${where}.app[${quote(name.value)}]`, problems);
    capMap[name.value] = list.map(plainValue);
  }
  return entries.length === 0 ? null : capMap;
}

function nameFault(name: string): string | undefined {
  if (!/^[^/:\s]+\/[^:\s]+$/.test(name) || !name.slice(0, name.indexOf("/")).includes(".")) {
    return "capability name must have the form {domain}/{path}";
  }
  const domain = name.slice(0, name.indexOf("/")).toLowerCase();
  const isReserved = /(^|\.)tailscale\.(com|io)$/.test(domain);
  return isReserved && !GRANTABLE.has(name) ? "capability name must not be in the tailscale.com domain" : undefined;
}
