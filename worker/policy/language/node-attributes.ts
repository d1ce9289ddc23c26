// The section nodeAttrs (policy.md 17): attributes, app values and address pools of nodes.
import type { CapMap } from "../../protocol/control/filter-rule.ts";
import { type AddressRange, parsePrefix, prefixRange } from "../../protocol/ip.ts";
import type { NodeAttributeRule, Selector } from "../policy.ts";
import { coversRange, type PrefixSet, prefixSet, prefixSetOf, subtract } from "../prefix-set.ts";
import {
  type Node,
  type Problems,
  plainValue,
  quote,
  readEntries,
  readFields,
  readList,
  readTexts,
  type Text,
} from "./document.ts";
import { type Definitions, readSelector } from "./selector.ts";

/** Reads `nodeAttrs`. */
export function readNodeAttributes(
  node: Node | undefined,
  definitions: Definitions,
  problems: Problems,
): NodeAttributeRule[] {
  const rules: NodeAttributeRule[] = [];
  for (const [i, item] of readList(node, "nodeAttrs", problems).entries()) {
    const where = `nodeAttrs[${i}]`;
    const fields = readFields(item, where, ["target", "attr", "app", "ipPool"], problems);
    if (fields === undefined) continue;
    const targets: Selector[] = [];
    for (const { value, at } of readTexts(fields.get("target"), `${where}.target`, problems)) {
      const selector = readSelector(value, "target", definitions);
      if (typeof selector === "string") problems.error(selector, at);
      else targets.push(selector);
    }
    const attributes = readTexts(fields.get("attr"), `${where}.attr`, problems);
    const app = readAppValues(fields.get("app"), where, problems);
    const pool = readTexts(fields.get("ipPool"), `${where}.ipPool`, problems);
    rules.push({ targets, capMap: { ...attributeCapMap(attributes), ...app }, ipPool: readPool(pool, problems) });
  }
  return rules;
}

/** The ports on which Funnel takes connections. */
const FUNNEL_PORTS = "https://tailscale.com/cap/funnel-ports?ports=443,8443,10000";

function attributeCapMap(attributes: readonly Text[]): CapMap {
  const capMap: Record<string, null> = Object.create(null);
  for (const { value } of attributes) {
    capMap[value] = null;
    if (value === "funnel") capMap[FUNNEL_PORTS] = null;
  }
  return capMap;
}

function readAppValues(node: Node | undefined, where: string, problems: Problems): CapMap {
  const capMap: Record<string, readonly unknown[]> = Object.create(null);
  for (const [name, value] of node === undefined ? [] : (readEntries(node, `${where}.app`, problems) ?? [])) {
    capMap[name.value] = readList(value, `${where}.app[${quote(name.value)}]`, problems).map(plainValue);
  }
  return capMap;
}

const CGNAT = prefixSetOf("100.64.0.0/10");
/** Parts of 100.64.0.0/10 that no node is given: service addresses, and what ChromeOS uses itself. */
const RESERVED = prefixSetOf("100.100.0.0/24", "100.100.100.0/24", "100.115.92.0/23");

function readPool(texts: readonly Text[], problems: Problems): PrefixSet {
  const ranges: AddressRange[] = [];
  for (const { value, at } of texts) {
    const prefix = parsePrefix(value);
    const range = prefix && prefixRange(prefix);
    if (range === undefined) problems.error(`IPPool(${value}): invalid network`, at);
    else if (coversRange(RESERVED, range)) problems.error(`IPPool(${value}): network within reserved range`, at);
    else if (!coversRange(CGNAT, range)) problems.error(`IPPool(${value}): network not within 100.64.0.0/10`, at);
    else ranges.push(range);
  }
  return subtract(prefixSet(ranges), RESERVED);
}
