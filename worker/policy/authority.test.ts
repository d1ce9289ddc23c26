// Who may assign tags, and which routes are approved without asking (policy.md 8, 15).
import { describe, expect, test } from "vitest";
import { approvedByPolicy, DEFAULT_POLICY, mayAssignTag } from "./authority.ts";
import { PolicyEngine, type Role } from "./engine.ts";
import { type Policy, parsePolicy } from "./parse.ts";

function policy(sections: object): Policy {
  const result = parsePolicy(JSON.stringify(sections));
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

const FILE = policy({
  groups: { "group:ops": ["ann@example.com"] },
  tagOwners: {
    "tag:ops": ["group:ops"],
    "tag:mine": ["bob@example.com"],
    "tag:any": ["autogroup:member"],
    "tag:audit": ["autogroup:auditor"],
    "tag:domain": ["user:*@example.org"],
    "tag:none": [],
    "tag:exit": [],
    "tag:router": [],
    "tag:k8s-operator": [],
    "tag:k8s": ["tag:k8s-operator"],
    "tag:deep": ["tag:k8s"],
  },
  autoApprovers: {
    routes: {
      "0.0.0.0/0": ["tag:exit"],
      "10.0.0.0/8": ["tag:router", "bob@example.com"],
      "fd00::/8": ["autogroup:member"],
    },
    exitNode: ["tag:exit", "group:ops"],
  },
});

describe("tags", () => {
  const user = (loginName: string, role: Role = "member") => ({ loginName, role });

  test.each([
    ["a group's member", user("ann@example.com"), "tag:ops", true],
    ["nobody else", user("bob@example.com"), "tag:ops", false],
    ["the user named", user("bob@example.com"), "tag:mine", true],
    ["every member", user("eve@example.net"), "tag:any", true],
    ["a role", user("eve@example.net", "auditor"), "tag:audit", true],
    ["no other role", user("eve@example.net"), "tag:audit", false],
    ["a domain", user("eve@example.org"), "tag:domain", true],
    ["no domain that ends alike", user("eve@notexample.org"), "tag:domain", false],
    ["an owner, any tag", user("eve@example.net", "owner"), "tag:none", true],
    ["an admin, any tag", user("eve@example.net", "admin"), "tag:none", true],
    ["a network admin, any tag", user("eve@example.net", "network-admin"), "tag:none", true],
    ["no IT admin", user("eve@example.net", "it-admin"), "tag:none", false],
    ["nobody an undeclared tag", user("eve@example.net", "owner"), "tag:undeclared", false],
    ["a credential that has an owning tag", { tags: ["tag:x", "tag:k8s-operator"] }, "tag:k8s", true],
    ["no credential without it", { tags: ["tag:k8s"] }, "tag:k8s", false],
    ["ownership through tags in one step only", { tags: ["tag:k8s-operator"] }, "tag:deep", false],
    ["no credential a member's tag", { tags: ["tag:k8s"] }, "tag:any", false],
  ])("may be assigned by %s", (_, who, tag, isAllowed) => {
    expect(mayAssignTag(FILE, who, tag)).toBe(isAllowed);
  });
});

describe("routes", () => {
  const node = (of: { readonly tags?: string[]; readonly loginName?: string }) => ({
    id: 1,
    userId: of.tags === undefined ? 1 : null,
    tags: of.tags ?? [],
    ipv4: null,
    ipv6: null,
    routes: [],
    isOnline: true,
    loginName: of.loginName ?? null,
  });

  test.each([
    ["within a key", node({ tags: ["tag:router"] }), ["10.1.0.0/16", "10.0.0.0/8"], ["10.1.0.0/16", "10.0.0.0/8"]],
    ["outside of every key not", node({ tags: ["tag:router"] }), ["11.0.0.0/8", "8.0.0.0/5"], []],
    ["by any of several tags", node({ tags: ["tag:x", "tag:router"] }), ["10.1.0.0/16"], ["10.1.0.0/16"]],
    ["by user", node({ loginName: "bob@example.com" }), ["10.1.0.0/16"], ["10.1.0.0/16"]],
    [
      "by the user no more once tagged",
      { ...node({ tags: ["tag:x"] }), loginName: "bob@example.com" },
      ["10.1.0.0/16"],
      [],
    ],
    ["in part", node({ loginName: "bob@example.com" }), ["10.1.0.0/16", "0.0.0.0/0"], ["10.1.0.0/16"]],
    [
      "of all IPv4 by a key of /0, with exit routes for their own reason",
      node({ tags: ["tag:exit"] }),
      ["172.16.0.0/24", "::/0"],
      ["172.16.0.0/24", "::/0"],
    ],
    [
      "of exit nodes only by exitNode",
      node({ loginName: "ann@example.com" }),
      ["0.0.0.0/0", "172.16.0.0/24"],
      ["0.0.0.0/0"],
    ],
    ["for members", node({ loginName: "eve@example.net" }), ["fd00:1::/64"], ["fd00:1::/64"]],
    ["never when malformed", node({ tags: ["tag:exit"] }), ["0.0.0.0/33", "x"], []],
  ])("are approved %s", (_, subject, advertised, approved) => {
    expect(approvedByPolicy(FILE, subject, advertised)).toEqual(approved);
  });
});

test("the default policy lets everyone reach everyone and oneself by SSH, after a check", () => {
  const result = parsePolicy(DEFAULT_POLICY);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const node = { tags: [], ipv6: null, routes: [], isOnline: true };
  const engine = new PolicyEngine({
    policy: result.policy,
    users: [
      { id: 1, loginName: "ann@example.com", role: "owner" },
      { id: 2, loginName: "bob@example.com", role: "member" },
    ],
    nodes: [
      { ...node, id: 1, userId: 1, ipv4: "100.64.0.1" },
      { ...node, id: 2, userId: 2, ipv4: "100.64.0.2" },
    ],
  });
  expect(engine.isVisible(1, 2)).toBe(true);
  expect(engine.packetFilterOf(1)).toBe(engine.packetFilterOf(2));
  expect(engine.sshPolicyOf(2)?.rules).toMatchObject([
    {
      principals: [{ nodeIP: "100.64.0.2" }],
      sshUsers: { root: "root", "*": "=" },
      action: { holdAndDelegate: expect.any(String) },
    },
  ]);
});
