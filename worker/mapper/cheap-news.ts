// Which effects may wait for a moment: those that take nothing from anybody. Patches of peers are of no consequence for what
// anybody may see or do; a node that joins is seen by more nodes than before, and may reach more of them.
import type { PolicyEffect } from "../policy/engine.ts";
import { addEffects, type Effects, endsStreams, type NodeEffect, noEffects } from "../tailnet/effects.ts";
import type { Node, NodeId } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { diffPeer, needsNewSelf } from "./peer-change.ts";

/** How urgent news is: `nothing` has to be told to nobody, `later` may wait for a moment. */
export type Urgency = "nothing" | "later" | "now";

/** Tells how urgent it is to tell of effects. */
export function urgencyOf(effects: Effects, now: number): Urgency {
  const { nodes, policy, users, decidedLogins, collections, settingsBefore, derpMapBefore, ...others } = effects;
  others satisfies Record<string, never>; // a new kind of effect must be thought of here, or it is told to nobody
  if (users.size + decidedLogins.size + collections.size > 0) return "now";
  if (settingsBefore !== null || derpMapBefore !== undefined) return "now";
  const joined = firstJoined(effects);
  const isHarmless = (effect: PolicyEffect) => (joined === undefined ? isEmpty(effect) : onlyAdds(effect, nodes));
  if (!policy.every(isHarmless)) return "now";
  let urgency: Urgency = joined === undefined ? "nothing" : "later";
  for (const effect of nodes.values()) {
    const difference = effect.before === null && effect.after !== null ? "patch" : differenceOf(effect, now);
    if (difference === "whole") return "now";
    if (difference === "patch") urgency = "later";
  }
  return urgency;
}

/** The lowest id of the nodes that joined; undefined when none did. Later nodes have higher ones. */
export function firstJoined({ nodes }: Effects): NodeId | undefined {
  let first: NodeId | undefined;
  for (const [id, { before, after }] of nodes) {
    if (before === null && after !== null) first = Math.min(first ?? id, id);
  }
  return first;
}

/**
 * Adds what happened after what `waiting` tells. Streams may have been opened in between, and have been told what was so
 * then: a value that changed and changed back stays in the patch, and what befalls a node that joined counts for itself.
 */
export function gather(waiting: Effects, later: Effects): void {
  const earlier = new Map([...later.nodes.keys()].map((id) => [id, waiting.nodes.get(id)]));
  addEffects(waiting, { ...later, policy: later.policy.map((effect) => toldToOthers(effect, later)) });
  for (const [id, { before, after }] of later.nodes) {
    const from = earlier.get(id)?.before;
    if (from === undefined || before === null) continue;
    if (from === null) waiting.nodes.set(id, { before, after });
    else if (after !== null) waiting.nodes.set(id, { before: keepDifferent(from, before, after), after });
  }
}

/** An effect without what it did to nodes that joined with it: their streams, opened later, begin with that. */
function toldToOthers(effect: PolicyEffect, { nodes }: Effects): PolicyEffect {
  const joined = [...nodes].filter(([, { before }]) => before === null).map(([id]) => id);
  if (joined.length === 0) return effect;
  const viewers = new Map(effect.viewers);
  const [filters, sshPolicies] = [new Set(effect.filters), new Set(effect.sshPolicies)];
  const [capMaps, selves] = [new Set(effect.capMaps), new Set(effect.selves)];
  for (const id of joined) for (const part of [viewers, filters, sshPolicies, capMaps, selves]) part.delete(id);
  return { viewers, filters, sshPolicies, capMaps, selves, primaries: effect.primaries };
}

/** The record from which a patch to `after` names all that differs from `from` and all that differs from `between`. */
function keepDifferent(from: Node, between: Node, after: Node): Node {
  const seen = { ...from };
  const keep = <K extends "homeDerp" | "isOnline" | "lastSeenAt" | "discoKey" | "capabilityVersion">(field: K) => {
    if (from[field] === after[field] && between[field] !== after[field]) seen[field] = between[field];
  };
  for (const field of ["homeDerp", "isOnline", "lastSeenAt", "discoKey", "capabilityVersion"] as const) keep(field);
  return between.endpoints === after.endpoints ? seen : { ...seen, endpoints: ["changed"] };
}

function differenceOf(effect: NodeEffect, now: number): "none" | "patch" | "whole" {
  const { before, after } = effect;
  if (before === null || after === null || endsStreams(effect, now) || needsNewSelf(before, after)) return "whole";
  const difference = diffPeer(before, after);
  return typeof difference === "string" ? difference : "patch";
}

/** What nodes that join without routes do: others see them, and name them in their rules. */
function onlyAdds({ viewers, capMaps, selves, primaries }: PolicyEffect, nodes: Effects["nodes"]): boolean {
  if (primaries.size > 0) return false;
  for (const ids of [capMaps, selves]) for (const id of ids) if (nodes.get(id)?.before !== null) return false;
  for (const { removed, changed } of viewers.values()) if (removed.length + changed.length > 0) return false;
  return true;
}

function isEmpty({ viewers, filters, sshPolicies, capMaps, primaries, selves }: PolicyEffect): boolean {
  const others = filters.size + sshPolicies.size + capMaps.size + primaries.size + selves.size;
  return others === 0 && viewers.size === 0;
}

/**
 * Effects that tell everybody what patches can tell of every node, and all of the nodes that joined from `firstJoined` on:
 * what may have waited in an instance that was lost.
 */
export function everythingUntold({ nodes, engine }: Tailnet, firstJoined = Number.POSITIVE_INFINITY): Effects {
  const effects = noEffects();
  const added = new Map<NodeId, NodeId[]>();
  for (const node of nodes.values()) {
    const isNew = node.id >= firstJoined;
    effects.nodes.set(node.id, { before: isNew ? null : untold(node), after: node });
    if (isNew) for (const viewer of engine.peersOf(node.id)) added.set(viewer, [...(added.get(viewer) ?? []), node.id]);
  }
  if (!Number.isFinite(firstJoined)) return effects;
  const none = new Set<NodeId>();
  const all = new Set(nodes.keys());
  const viewers = new Map([...added].map(([id, peers]) => [id, { added: peers, removed: [], changed: [] }]));
  const sets = { filters: all, sshPolicies: all, capMaps: none, selves: none };
  effects.policy.push({ viewers, ...sets, primaries: new Map() });
  return effects;
}

/** A record from which a patch leads to `node` that names all that patches can tell. */
function untold(node: Node): Node {
  return {
    ...node,
    isOnline: !node.isOnline,
    lastSeenAt: null,
    endpoints: ["untold"],
    discoKey: null,
    homeDerp: node.homeDerp === 0 ? 0 : -1,
    capabilityVersion: -1,
  };
}
