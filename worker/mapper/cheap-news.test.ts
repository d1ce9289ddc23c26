import { beforeEach, describe, expect, it } from "vitest";
import { discoKey, nodeKey, TestTailnet } from "../../test/support/tailnet-builder.ts";
import { type Effects, noEffects } from "../tailnet/effects.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { gather, isCheapNews } from "./cheap-news.ts";
import { diffPeer } from "./peer-change.ts";

const AT = Date.UTC(2026, 0, 2);

let node: Node;

beforeEach(() => {
  const t = new TestTailnet();
  node = {
    ...t.join({ machine: 1, key: 1, authKey: t.authKey(t.user("ann")) }),
    isOnline: true,
    discoKey: discoKey(1),
    homeDerp: 1,
  };
});

function change(before: Node, after: Partial<Node> | null): Effects {
  const effects = noEffects();
  effects.nodes.set(before.id, { before, after: after && { ...before, ...after } });
  return effects;
}

describe("cheap news", () => {
  it.each<[string, Partial<Node>]>([
    ["an endpoint", { endpoints: ["192.0.2.1:1"] }],
    ["a relay", { homeDerp: 2 }],
    ["going offline", { isOnline: false, lastSeenAt: AT }],
    ["a disco key", { discoKey: discoKey(2) }],
  ])("is %s", (_what, after) => expect(isCheapNews(change(node, after), AT)).toBe(true));

  it.each<[string, Partial<Node> | null]>([
    ["a removal", null],
    ["a new node key", { nodeKey: nodeKey(2) }],
    ["an approval withdrawn", { isAuthorized: false }],
    ["an expiry", { keyExpiresAt: AT - 1 }],
    ["a name", { name: "other" }],
    ["a tag", { tags: ["tag:a"] }],
  ])("is not %s", (_what, after) => expect(isCheapNews(change(node, after), AT)).toBe(false));

  it("is not what the policy, users, settings or logins have to do with", () => {
    const moved = () => change(node, { homeDerp: 2 });
    const user = moved();
    user.users.add(1);
    const login = moved();
    login.decidedLogins.add("a");
    const routes = moved();
    const empty = { viewers: new Map(), filters: new Set<number>(), sshPolicies: new Set<number>() };
    const rest = { capMaps: new Set<number>(), selves: new Set<number>() };
    routes.policy.push({ ...empty, ...rest, primaries: new Map([["10.0.0.0/8", 1]]) });
    const relays = moved();
    relays.derpMapBefore = null;
    const services = moved();
    services.collections.add("services");
    for (const effects of [user, login, routes, relays, services]) expect(isCheapNews(effects, AT)).toBe(false);
  });

  it("is never nothing when only relays or configured records changed", () => {
    const relays = noEffects();
    relays.derpMapBefore = null;
    const services = noEffects();
    services.collections.add("services");
    for (const effects of [relays, services]) expect(isCheapNews(effects, AT)).toBe(false);
    expect(isCheapNews(noEffects(), AT)).toBe("nothing");
  });
});

describe("gathered effects", () => {
  it("keep what changed in relays and configured records", () => {
    const waiting = noEffects();
    const later = noEffects();
    later.derpMapBefore = null;
    later.collections.add("services");
    gather(waiting, later);
    expect([waiting.derpMapBefore, [...waiting.collections]]).toEqual([null, ["services"]]);
  });
});

describe("gathered changes of one node", () => {
  it("name everything that was different in between, with what it is now", () => {
    const steps: Partial<Node>[] = [
      { isOnline: false, lastSeenAt: AT },
      { homeDerp: 7, discoKey: discoKey(2) },
      { homeDerp: 1, endpoints: ["192.0.2.1:1"] },
      { isOnline: true, lastSeenAt: null },
      { endpoints: node.endpoints },
    ];
    const waiting = noEffects();
    let current = node;
    for (const step of steps) {
      gather(waiting, change(current, step));
      current = { ...current, ...step };
    }
    const effect = waiting.nodes.get(node.id);
    expect(effect?.before && effect.after && diffPeer(effect.before, effect.after)).toEqual({
      NodeID: node.id,
      DERPRegion: 1,
      DiscoKey: discoKey(2),
      Endpoints: node.endpoints,
      Online: true,
    });
  });
});
