import { beforeEach, describe, expect, it } from "vitest";
import { TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import type { Node } from "../../entities/node.ts";
import type { User } from "../../entities/user.ts";
import {
  approveRoutes,
  authorizeNode,
  deleteNode,
  renameNode,
  setKeyExpiryDisabled,
  tagNode,
} from "./administer-node.ts";

let t: TestTailnet;
let ann: User;
let node: Node;

beforeEach(() => {
  t = new TestTailnet({ policy: '{ "tagOwners": { "tag:a": ["ann@example.com"], "tag:b": [] } }' });
  ann = t.user("ann");
  node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
});

describe("deleteNode", () => {
  it("removes the node from every index", () => {
    t.run(deleteNode(node));
    expect(t.tailnet.nodes.size).toBe(0);
    expect(t.effects.nodes.get(node.id)).toEqual({ before: node, after: null });
  });
});

describe("authorizeNode", () => {
  it("takes the node out of the policy's view and puts it back", () => {
    t.run(authorizeNode(node, false));
    expect(t.tailnet.engine.sshPolicyOf(node.id)).toBeNull();
    t.run(authorizeNode(t.node(node), true));
    expect(t.node(node)).toEqual(node);
    expect(t.tailnet.engine.sshPolicyOf(node.id)).not.toBeNull();
  });
});

describe("setKeyExpiryDisabled", () => {
  it("keeps the stored expiry for when it is enabled again", () => {
    t.run(setKeyExpiryDisabled(node, true));
    t.run(setKeyExpiryDisabled(t.node(node), false));
    expect(t.node(node)).toEqual(node);
  });
});

describe("renameNode", () => {
  const rename = (name: string) => renameNode(t.tailnet, t.node(node), name, "tail.example.com");

  it.each([
    ["web", "web"],
    ["WEB", "web"],
    ["web.tail.example.com", "web"],
    ["web.tail.example.com.", "web"],
  ])("takes %j for %s", (name, label) => {
    expect(t.run(rename(name))).toMatchObject({ name: label, isNameFixed: true });
  });

  it.each(["a b", "web.other.net", "-web", "a".repeat(64)])("refuses %j", (name) => {
    expect(t.refusal(rename(name)).reason).toBe("invalid");
  });

  it("refuses a name that another node has, and takes the node's own", () => {
    const other = t.join({ machine: 2, key: 2, authKey: t.authKey(ann) });
    expect(t.refusal(rename(other.name)).reason).toBe("conflict");
    expect(t.run(rename(node.name)).isNameFixed).toBe(true);
  });
});

describe("tagNode", () => {
  const tag = (...tags: string[]) => tagNode(t.tailnet, t.node(node), tags, t.contextOf(ann));

  it("takes the node from its user and leaves its expiry", () => {
    expect(t.run(tag("tag:a", "tag:a"))).toEqual({ ...node, userId: null, tags: ["tag:a"] });
  });

  it("refuses tags that the user does not own", () => {
    expect(t.refusal(tag("tag:a", "tag:b"))).toEqual({ reason: "tags-not-permitted", tags: ["tag:b"] });
  });

  it("makes a node that loses its tags log in again", () => {
    t.run(tag("tag:a"));
    expect(t.run(tag())).toMatchObject({ userId: ann.id, tags: [], keyExpiresAt: t.now });
  });
});

describe("approveRoutes", () => {
  it("keeps each route once, sorted, advertised or not", () => {
    expect(t.run(approveRoutes(node, ["::/0", "10.0.0.0/8", "10.0.0.0/8"])).approvedRoutes).toEqual([
      "10.0.0.0/8",
      "::/0",
    ]);
  });

  it.each(["10.0.0.1/8", "10.0.0.0", "lan", ""])("refuses %j", (route) => {
    expect(t.refusal(approveRoutes(node, [route])).reason).toBe("invalid");
  });
});
