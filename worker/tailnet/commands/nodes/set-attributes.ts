// Sets and deletes device posture attributes, one node's or many at once (api-v2.md 2.5, control-protocol.md 6.6). All
// of a request is checked before anything changes.
import type { PostureValue } from "../../../policy/engine.ts";
import { NODE_MAX_ATTRIBUTES } from "../../../protocol/limits.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import {
  type DeviceAttribute,
  type DeviceAttributes,
  keyProblem,
  valueProblem,
} from "../../entities/device-attribute.ts";
import type { Node, NodeId } from "../../entities/node.ts";
import type { Tailnet } from "../../tailnet.ts";

/** What to set by name; null: delete. Values are as the caller sent them, not yet checked. */
export type AttributeUpdate = Readonly<
  Record<string, { readonly value: unknown; readonly expiresAt: number | null } | null>
>;

/** Sets attributes of nodes, all or none. An expiry in the past deletes. */
export function setAttributes(
  tailnet: Tailnet,
  updates: ReadonlyMap<NodeId, AttributeUpdate>,
  now: number,
): Decision<null> {
  const known = knownAttributes(tailnet);
  const changes: Change[] = [];
  for (const [id, update] of updates) {
    const node = tailnet.nodes.get(id);
    if (node === undefined) return refused({ reason: "not-found", what: "device" });
    const attributes = applyUpdate(node, update, known, now);
    if (!attributes.ok) return attributes;
    changes.push({ type: "node-put", node: { ...node, attributes: attributes.result } });
  }
  return decided(null, changes);
}

/** What a node sets of itself: only attributes that the policy lets nodes set (`attrConfig`, policy.md 18). */
export function setOwnAttributes(
  tailnet: Tailnet,
  node: Node,
  values: Readonly<Record<string, unknown>>,
  now: number,
): Decision<null> {
  const { attributeConfig } = tailnet.compiledPolicy;
  const update: Record<string, { value: unknown; expiresAt: null } | null> = {};
  for (const [key, value] of Object.entries(values)) {
    const problem = keyProblem(key);
    if (problem !== undefined) return refused({ reason: "invalid", detail: `${quoted(key)}: ${problem}` });
    if (attributeConfig.get(key)?.allowSetByNode !== true) {
      return refused({ reason: "not-permitted", detail: `${quoted(key)}: the policy does not let nodes set it` });
    }
    update[key] = value === null ? null : { value, expiresAt: null };
  }
  return setAttributes(tailnet, new Map([[node.id, update]]), now);
}

/** How an attribute is spelt and typed in the tailnet: fixed by its first use, or by the policy. */
interface KnownAttribute {
  readonly key: string;
  readonly type: "string" | "number" | "bool";
}

/** Attributes in use, by name in lower case. */
function knownAttributes(tailnet: Tailnet): Map<string, KnownAttribute> {
  const known = new Map<string, KnownAttribute>();
  for (const [key, { type }] of tailnet.compiledPolicy.attributeConfig) known.set(key.toLowerCase(), { key, type });
  for (const { attributes } of tailnet.nodes.values()) {
    for (const [key, { value }] of Object.entries(attributes)) {
      if (!known.has(key.toLowerCase())) known.set(key.toLowerCase(), { key, type: typeOf(value) });
    }
  }
  return known;
}

function applyUpdate(
  node: Node,
  update: AttributeUpdate,
  known: Map<string, KnownAttribute>,
  now: number,
): Decision<DeviceAttributes> {
  const attributes: Record<string, DeviceAttribute> = { ...node.attributes };
  for (const [key, wanted] of Object.entries(update)) {
    const spelling = known.get(key.toLowerCase());
    const problem = problemOf(key, wanted, spelling);
    if (problem !== undefined) return refused({ reason: "invalid", detail: `${quoted(key)}: ${problem}` });
    if (wanted === null || (wanted.expiresAt !== null && wanted.expiresAt <= now)) {
      delete attributes[spelling?.key ?? key];
      continue;
    }
    const value = wanted.value as PostureValue;
    known.set(key.toLowerCase(), { key, type: typeOf(value) });
    attributes[key] = { value, expiresAt: wanted.expiresAt };
  }
  if (Object.keys(attributes).length > NODE_MAX_ATTRIBUTES)
    return refused({ reason: "invalid", detail: `a device can have ${NODE_MAX_ATTRIBUTES} attributes at most` });
  return decided(attributes);
}

function problemOf(key: string, wanted: AttributeUpdate[string], known?: KnownAttribute): string | undefined {
  const problem = keyProblem(key);
  if (problem !== undefined || wanted === null || wanted === undefined) return problem;
  const wrongValue = valueProblem(wanted.value);
  if (wrongValue !== undefined || known === undefined) return wrongValue;
  if (known.key !== key) return `the tailnet has it as ${quoted(known.key)}`;
  return known.type === typeOf(wanted.value as PostureValue) ? undefined : `the tailnet has it as a ${known.type}`;
}

function typeOf(value: PostureValue): KnownAttribute["type"] {
  return typeof value === "boolean" ? "bool" : (typeof value as "string" | "number");
}

/** Names may come from anybody: at most as much of one as a name may have. */
function quoted(key: string): string {
  return JSON.stringify(key.slice(0, 128));
}
