// Which effects are cheap news: told by patches alone, and of no consequence for what anybody may see or do.
import type { PolicyEffect } from "../policy/engine.ts";
import { addEffects, type Effects, endsStreams, type NodeEffect } from "../tailnet/effects.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { diffPeer, needsNewSelf } from "./peer-change.ts";

/** Tells whether effects are cheap news; "nothing" when nobody has to be told anything. */
export function isCheapNews(effects: Effects, now: number): boolean | "nothing" {
  const { nodes, policy, users, decidedLogins, collections, settingsBefore, derpMapBefore, ...others } = effects;
  others satisfies Record<string, never>; // a new kind of effect must be thought of here, or it is told to nobody
  if (users.size + decidedLogins.size + collections.size > 0) return false;
  if (settingsBefore !== null || derpMapBefore !== undefined || !policy.every(isEmpty)) return false;
  let isNothing = true;
  for (const effect of nodes.values()) {
    const difference = differenceOf(effect, now);
    if (difference === "whole") return false;
    if (difference === "patch") isNothing = false;
  }
  return isNothing ? "nothing" : true;
}

/**
 * Adds what happened after what `waiting` tells. A value that changed and changed back stays in the patch: a stream that
 * was opened in between has been told the value between.
 */
export function gather(waiting: Effects, later: Effects): void {
  const earlier = new Map([...later.nodes.keys()].map((id) => [id, waiting.nodes.get(id)]));
  addEffects(waiting, later);
  for (const [id, { before, after }] of later.nodes) {
    const from = earlier.get(id)?.before;
    if (!from || before === null || after === null) continue;
    waiting.nodes.set(id, { before: keepDifferent(from, before, after), after });
  }
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

function isEmpty({ viewers, filters, sshPolicies, capMaps, primaries, selves }: PolicyEffect): boolean {
  return viewers.size + filters.size + sshPolicies.size + capMaps.size + primaries.size + selves.size === 0;
}

/** A record from which a patch leads to `node` that names all that patches can tell. */
export function untold(node: Node): Node {
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
