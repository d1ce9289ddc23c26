import { beforeEach, describe, expect, it } from "vitest";
import { discoKey, nodeKey, TestTailnet } from "../../test/support/tailnet-builder.ts";
import { type Effects, noEffects, sumViewerEffects } from "../tailnet/effects.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { gather, urgencyOf } from "./cheap-news.ts";
import { diffPeer } from "./peer-change.ts";

const AT = Date.UTC(2026, 0, 2);

const AUTO_APPROVING = `{ "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }],
  "autoApprovers": { "routes": { "10.0.0.0/8": ["autogroup:member"] } } }`;

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

describe("news that may wait", () => {
  it.each<[string, Partial<Node>]>([
    ["an endpoint", { endpoints: ["192.0.2.1:1"] }],
    ["a relay", { homeDerp: 2 }],
    ["going offline", { isOnline: false, lastSeenAt: AT }],
    ["a disco key", { discoKey: discoKey(2) }],
  ])("is %s", (_what, after) => expect(urgencyOf(change(node, after), AT)).toBe("later"));

  it.each<[string, Partial<Node> | null]>([
    ["a removal", null],
    ["a new node key", { nodeKey: nodeKey(2) }],
    ["an approval withdrawn", { isAuthorized: false }],
    ["an expiry", { keyExpiresAt: AT - 1 }],
    ["a name", { name: "other" }],
    ["a tag", { tags: ["tag:a"] }],
  ])("is not %s", (_what, after) => expect(urgencyOf(change(node, after), AT)).toBe("now"));

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
    for (const effects of [user, login, routes, relays, services]) expect(urgencyOf(effects, AT)).toBe("now");
  });

  it("is a node that joins, unless it brings routes or changes what others are", () => {
    const joins = (hostinfo = {}): Effects => {
      const t = new TestTailnet({ policy: AUTO_APPROVING });
      const owner = t.user("ann");
      t.join({ machine: 1, key: 1, authKey: t.authKey(owner) });
      t.join({ machine: 2, key: 2, authKey: t.authKey(owner), hostinfo });
      return t.effects;
    };
    expect([...joins().nodes.values()].map(({ before }) => before)).toEqual([null]);
    expect(joins().policy.some(({ viewers }) => viewers.size > 0)).toBe(true);
    expect(urgencyOf(joins(), AT)).toBe("later");
    expect(urgencyOf(joins({ RoutableIPs: ["10.0.0.0/8"] }), AT)).toBe("now");
    const others = joins();
    const none = { viewers: new Map(), filters: new Set<number>(), sshPolicies: new Set<number>() };
    others.policy.push({ ...none, primaries: new Map(), capMaps: new Set([1]), selves: new Set() });
    expect(urgencyOf(others, AT)).toBe("now");
  });

  it("is never nothing when only relays or configured records changed", () => {
    const relays = noEffects();
    relays.derpMapBefore = null;
    const services = noEffects();
    services.collections.add("services");
    for (const effects of [relays, services]) expect(urgencyOf(effects, AT)).toBe("now");
    expect(urgencyOf(noEffects(), AT)).toBe("nothing");
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

describe("a gathered join", () => {
  let t: TestTailnet;
  let waiting: Effects;
  const keep = () => gather(waiting, t.effects);

  beforeEach(() => {
    t = new TestTailnet({ policy: AUTO_APPROVING });
    waiting = noEffects();
    const ann = t.user("ann");
    t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    t.join({ machine: 2, key: 2, authKey: t.authKey(ann) });
    keep();
  });

  it("is told to the others and not to the newcomer, whose stream begins with it", () => {
    const [policy] = waiting.policy.filter(({ viewers }) => viewers.size > 0);
    expect([...(policy?.viewers ?? [])].map(([id, { added }]) => [id, added])).toEqual([[1, [2]]]);
    for (const part of [policy?.filters, policy?.selves, policy?.capMaps]) expect(part?.has(2)).toBe(false);
  });

  it("leaves what befalls the node next to count for itself", () => {
    const joined = t.node(2);
    t.connect(2);
    keep();
    expect(waiting.nodes.get(2)?.before).toBe(joined);
    t.apply([{ type: "node-removed", id: 2 }]);
    keep();
    expect(waiting.nodes.get(2)?.after).toBeNull();
    expect(waiting.nodes.get(2)?.before?.nodeKey).toBe(joined.nodeKey);
    expect(sumViewerEffects(waiting.policy).get(1)?.get(2)).toBe("removed");
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
