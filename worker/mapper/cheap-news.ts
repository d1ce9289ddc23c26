// Which effects are cheap news: told by patches alone, and of no consequence for what anybody may see or do.
import type { PolicyEffect } from "../policy/engine.ts";
import { type Effects, endsStreams, type NodeEffect } from "../tailnet/effects.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { diffPeer, needsNewSelf } from "./peer-change.ts";

/** Tells whether effects are cheap news; "nothing" when nobody has to be told anything. */
export function isCheapNews(effects: Effects, now: number): boolean | "nothing" {
  if (effects.users.size + effects.decidedPendings.size > 0 || effects.settingsBefore !== null) return false;
  if (!effects.policy.every(isEmpty)) return false;
  let isNothing = true;
  for (const effect of effects.nodes.values()) {
    const difference = differenceOf(effect, now);
    if (difference === "whole") return false;
    if (difference === "patch") isNothing = false;
  }
  return isNothing ? "nothing" : true;
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
