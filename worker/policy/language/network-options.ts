// The sections that are no rules about access: autoApprovers (policy.md 15) and the network options derpMap, disableIPv4,
// OneCGNATRoute and randomizeClientPort (policy.md 21).
import { parsePrefix, prefixRange } from "../../protocol/ip.ts";
import type { AutoApprovers, NetworkOptions } from "../policy.ts";
import { readIdentities } from "./definitions.ts";
import { readDerpMap } from "./derp-map.ts";
import {
  type Fields,
  type Node,
  type Problems,
  quote,
  readBoolean,
  readEntries,
  readFields,
  readText,
} from "./document.ts";
import type { Definitions } from "./selector.ts";

/** Reads `autoApprovers`. */
export function readAutoApprovers(node: Node | undefined, definitions: Definitions, problems: Problems): AutoApprovers {
  const fields = node && readFields(node, "autoApprovers", ["routes", "exitNode", "services"], problems);
  const routes: AutoApprovers["routes"][number][] = [];
  for (const [key, value] of entriesOf(fields?.get("routes"), "autoApprovers.routes", problems)) {
    const where = `autoApprovers.routes[${quote(key.value)}]`;
    const prefix = parsePrefix(key.value.trim());
    const approvers = readIdentities(value, where, definitions, problems);
    if (prefix === undefined) problems.error(`${where}: invalid CIDR`, key.at);
    else routes.push({ set: [prefixRange(prefix)], approvers });
  }
  const services = new Map<string, AutoApprovers["exitNode"]>();
  for (const [key, value] of entriesOf(fields?.get("services"), "autoApprovers.services", problems)) {
    const where = `autoApprovers.services[${quote(key.value)}]`;
    if (!/^(svc|tag):./.test(key.value)) problems.error(`${where}: expected a service or a tag`, key.at);
    services.set(key.value, readIdentities(value, where, definitions, problems));
  }
  const exitNode = fields?.get("exitNode");
  return {
    routes,
    exitNode: exitNode === undefined ? [] : readIdentities(exitNode, "autoApprovers.exitNode", definitions, problems),
    services,
  };
}

function entriesOf(node: Node | undefined, where: string, problems: Problems) {
  return node === undefined ? [] : (readEntries(node, where, problems) ?? []);
}

/** Reads the network options. */
export function readNetworkOptions(fields: Fields, problems: Problems): NetworkOptions {
  const derpMap = fields.get("derpMap");
  return {
    derpMap: derpMap === undefined ? null : readDerpMap(derpMap, problems),
    disableIPv4: readBoolean(fields.get("disableIPv4"), "disableIPv4", problems),
    oneCGNATRoute: readOneCGNATRoute(fields.get("OneCGNATRoute"), problems),
    randomizeClientPort: readBoolean(fields.get("randomizeClientPort"), "randomizeClientPort", problems),
  };
}

function readOneCGNATRoute(node: Node | undefined, problems: Problems): NetworkOptions["oneCGNATRoute"] {
  const text = readText(node, "OneCGNATRoute", problems);
  if (text === undefined) return "";
  if (text.value === "" || text.value === "mac-always" || text.value === "mac-never") return text.value;
  problems.error(`OneCGNATRoute: expected "", "mac-always" or "mac-never", not ${quote(text.value)}`, text.at);
  return "";
}
