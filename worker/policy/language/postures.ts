// The sections postures, defaultSrcPosture and attrConfig (policy.md 18).
import type { AttributeConfig, Posture, PostureCondition } from "../policy.ts";
import {
  type Node,
  type Problems,
  quote,
  readBoolean,
  readEntries,
  readFields,
  readText,
  readTexts,
} from "./document.ts";

/** Reads `postures`: name → conditions, all of which must hold. */
export function readPostures(node: Node | undefined, problems: Problems): ReadonlyMap<string, Posture> {
  const postures = new Map<string, Posture>();
  for (const [key, value] of node === undefined ? [] : (readEntries(node, "postures", problems) ?? [])) {
    const name = key.value;
    const where = `postures[${quote(name)}]`;
    if (!/^posture:[^\s,]+$/.test(name)) problems.error(`${where}: posture names must start with 'posture:'`, key.at);
    const conditions: PostureCondition[] = [];
    for (const text of readTexts(value, where, problems)) {
      const condition = parseCondition(text.value);
      if (condition === undefined) problems.error(`${where}: ${quote(text.value)}: invalid assertion`, text.at);
      else conditions.push(condition);
    }
    if (conditions.length === 0) problems.error(`${where}: assertions must be specified`, value.offset);
    postures.set(name, { name, conditions });
  }
  return postures;
}

const ATTRIBUTE = "([A-Za-z][A-Za-z0-9_-]*:[A-Za-z0-9_.:-]+)";
const COMPARISON = new RegExp(`^${ATTRIBUTE}\\s*(==|!=|<=|>=|<|>)\\s*(.+)$`);
const MEMBERSHIP = new RegExp(`^${ATTRIBUTE}\\s+(IN|NOT IN)\\s*\\[(.*)\\]$`);
const PRESENCE = new RegExp(`^${ATTRIBUTE}\\s+(IS SET|NOT SET)$`);
const BARE = new RegExp(`^${ATTRIBUTE}$`);

/** Parses `attribute operator value`, or a bare attribute, which must be true; undefined when malformed. */
export function parseCondition(text: string): PostureCondition | undefined {
  const [, bare] = BARE.exec(text) ?? [];
  if (bare !== undefined) return { attribute: bare, operator: "==", values: [true] };
  const [, present, presence] = PRESENCE.exec(text) ?? [];
  if (present !== undefined) return { attribute: present, operator: presence as "IS SET", values: [] };
  const match = COMPARISON.exec(text) ?? MEMBERSHIP.exec(text);
  const [, attribute, operator, written] = match ?? [];
  if (attribute === undefined || written === undefined) return undefined;
  const most = operator === "IN" || operator === "NOT IN" ? Number.POSITIVE_INFINITY : 1;
  const values = parseValues(written, most, isVersion(attribute) ? String : Number);
  return values && { attribute, operator: operator as PostureCondition["operator"], values };
}

/** Tells whether the values of an attribute are versions, which compare field by field: 1.100 comes after 1.80. */
export function isVersion(attribute: string): boolean {
  return attribute === "node:osVersion" || attribute === "node:tsVersion";
}

/** Parses values separated by commas; undefined when one is malformed or there are more than `most`. */
function parseValues(
  text: string,
  most: number,
  toNumber: (digits: string) => string | number,
): PostureCondition["values"] | undefined {
  const values: (string | number | boolean)[] = [];
  const value = /\s*(?:'([^']*)'|(true|false)|(-?[0-9]+(?:\.[0-9]+)?))\s*(,|$)/y;
  let separator = text.trim() === "" ? "" : ",";
  while (separator === ",") {
    const [, quoted, truth, number, next] = value.exec(text) ?? [];
    if (next === undefined) return undefined;
    if (number !== undefined) values.push(toNumber(number));
    else values.push(truth === undefined ? (quoted ?? "") : truth === "true");
    separator = next;
  }
  return values.length > 0 && values.length <= most ? values : undefined;
}

/** Reads `attrConfig`: custom posture attribute → its type and who may set and see it. */
export function readAttributeConfig(node: Node | undefined, problems: Problems): ReadonlyMap<string, AttributeConfig> {
  const config = new Map<string, AttributeConfig>();
  for (const [key, value] of node === undefined ? [] : (readEntries(node, "attrConfig", problems) ?? [])) {
    const where = `attrConfig[${quote(key.value)}]`;
    if (!BARE.test(key.value)) problems.error(`${where}: invalid attribute name`, key.at);
    const fields = readFields(value, where, ["type", "allowSetByNode", "broadcastToPeers"], problems);
    if (fields === undefined) continue;
    const type = readText(fields.get("type"), `${where}.type`, problems);
    if (type === undefined || !["string", "number", "bool"].includes(type.value)) {
      problems.error(`${where}: type must be "string", "number" or "bool"`, type?.at ?? value.offset);
    }
    config.set(key.value, {
      type: (type?.value ?? "string") as AttributeConfig["type"],
      allowSetByNode: readBoolean(fields.get("allowSetByNode"), `${where}.allowSetByNode`, problems),
      broadcastToPeers: readBoolean(fields.get("broadcastToPeers"), `${where}.broadcastToPeers`, problems),
    });
  }
  return config;
}
