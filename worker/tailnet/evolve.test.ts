import { beforeEach, describe, expect, it } from "vitest";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import type { Node } from "./entities/node.ts";
import { DEFAULT_SETTINGS } from "./entities/settings.ts";
import type { User } from "./entities/user.ts";

let t: TestTailnet;
let ann: User;
let a: Node;
let b: Node;

beforeEach(() => {
  t = new TestTailnet();
  ann = t.user("ann");
  a = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
  b = t.join({ machine: 2, key: 2, authKey: t.authKey(ann) });
});

describe("evolve", () => {
  it("tells a node before the first and after the last of its changes", () => {
    t.apply([
      { type: "node-put", node: { ...a, homeDerp: 1 } },
      { type: "node-put", node: { ...a, homeDerp: 2 } },
    ]);
    expect(t.effects.nodes).toEqual(new Map([[a.id, { before: a, after: { ...a, homeDerp: 2 } }]]));
  });

  it("tells of a node that came, and of one that went", () => {
    t.apply([{ type: "node-removed", id: a.id }]);
    expect(t.effects.nodes.get(a.id)).toEqual({ before: a, after: null });
    t.apply([{ type: "node-put", node: a }]);
    expect(t.effects.nodes.get(a.id)).toEqual({ before: null, after: a });
  });

  it("ignores the removal of what is not there", () => {
    t.apply([
      { type: "node-removed", id: 999 },
      { type: "pending-removed", id: "x" },
    ]);
    expect(t.effects.nodes.size).toBe(0);
  });

  it("hands the policy engine only nodes that are authorised", () => {
    t.apply([{ type: "node-put", node: { ...a, isAuthorized: false } }]);
    expect(t.tailnet.engine.peersOf(b.id)).toEqual([]);
    t.apply([{ type: "node-removed", id: a.id }]);
    expect(t.effects.policy).toEqual([]);
  });

  it("takes the nodes of a suspended user out, and back in with the user", () => {
    const carol = t.user("carol");
    const c = t.join({ machine: 3, key: 3, authKey: t.authKey(carol) });
    t.apply([{ type: "user-put", user: { ...ann, isSuspended: true } }]);
    expect(t.tailnet.engine.peersOf(c.id)).toEqual([]);
    expect([a, b, c].map((node) => t.node(node).isUserBarred)).toEqual([true, true, false]);
    expect([...t.effects.nodes.keys()]).toEqual([a.id, b.id]);
    t.report(a, { OS: "other" });
    expect(t.node(a).isUserBarred).toBe(true);
    t.apply([{ type: "user-put", user: ann }]);
    expect(t.tailnet.engine.peersOf(c.id)).toEqual([a.id, b.id]);
  });

  it("leaves a suspended user's name change to the user", () => {
    t.apply([{ type: "user-put", user: { ...ann, displayName: "Anna" } }]);
    expect(t.effects.nodes.size).toBe(0);
  });

  it("tells of users, and of settings as they were before the first change", () => {
    t.apply([
      { type: "user-put", user: { ...ann, loginName: "anna@example.com" } },
      { type: "settings-put", settings: { ...DEFAULT_SETTINGS, isMagicDnsOn: false } },
      {
        type: "settings-put",
        settings: { ...DEFAULT_SETTINGS, nameservers: [{ address: "192.0.2.53", useWithExitNode: false }] },
      },
    ]);
    expect(t.effects.users).toEqual(new Set([ann.id]));
    expect(t.effects.settingsBefore).toEqual(DEFAULT_SETTINGS);
    expect([...t.tailnet.userByLogin.keys()]).toEqual(["anna@example.com"]);
  });
});
