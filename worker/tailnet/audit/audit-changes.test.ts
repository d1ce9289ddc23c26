import { beforeEach, describe, expect, it } from "vitest";
import { TestTailnet } from "../../../test/support/tailnet-builder.ts";
import { AUDIT_MAX_VALUE } from "../../protocol/limits.ts";
import type { Change, Decision } from "../change.ts";
import { createAuthKey, createUser, revokeKey } from "../commands/credentials/manage-keys.ts";
import { approveRoutes, authorizeNode, deleteNode, renameNode, tagNode } from "../commands/nodes/administer-node.ts";
import { setPolicy } from "../commands/policy/set-policy.ts";
import { type Actor, actorOf, TAILNET_ACTOR } from "../entities/actor.ts";
import type { User } from "../entities/user.ts";
import { auditChanges } from "./audit-changes.ts";

const POLICY = `{ "tagOwners": { "tag:web": ["ann@example.com"] }, "grants": [] }`;

let t: TestTailnet;
let ann: User;

beforeEach(() => {
  t = new TestTailnet({ policy: POLICY });
  ann = t.user("ann", "owner");
});

const audit = (changes: readonly Change[], actor: Actor = actorOf(ann)) =>
  auditChanges(t.tailnet, changes, { actor, now: t.now, groupId: () => "abc" });

/** What the log says of a command, which is then applied. */
function auditOf(decision: Decision<unknown>, actor?: Actor) {
  if (!decision.ok) throw new Error("refused");
  const events = audit(decision.changes, actor);
  t.apply(decision.changes);
  return events;
}

const joined = () => t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { isPreauthorized: true }) });

describe("an entry", () => {
  it("says who did what to which thing, when, and with which values", () => {
    const node = joined();
    expect(auditOf(renameNode(t.tailnet, node, "web", "tail.example.com"))).toEqual([
      {
        at: t.now,
        groupId: "abc",
        origin: "ADMIN_CONSOLE",
        actor: { id: ann.stableId, type: "USER", loginName: "ann@example.com", displayName: "ann" },
        target: { id: node.stableId, name: "web", type: "NODE", property: "MACHINE_NAME" },
        action: "UPDATE",
        before: "host-1",
        after: "web",
      },
    ]);
  });

  it("tells an API token, a credential and the control plane apart", () => {
    const node = joined();
    const { changes } = deleteNode(node) as { changes: readonly Change[] };
    const credential: Actor = {
      kind: "credential",
      type: "client",
      credentialId: "kOneCNTRL",
      description: "terraform",
      tokenId: "kTwoCNTRL",
      scopes: ["devices:core"],
      tags: ["tag:web"],
    };
    expect(audit(changes, { ...actorOf(ann), tokenId: "kThreeCNTRL" })[0]?.origin).toBe("CONFIG_API");
    expect(audit(changes, credential)[0]).toMatchObject({
      origin: "CONFIG_API",
      actor: { id: "kOneCNTRL", type: "OAUTH_CLIENT", displayName: "terraform", tags: ["tag:web"] },
    });
    expect(audit(changes, TAILNET_ACTOR)[0]).toMatchObject({ origin: "CONTROL", actor: { type: "AUTOMATED_WORKER" } });
  });

  it("names a node that joins by its new record", () => {
    const decision = t.decideRegister({ machine: 1, key: 1, authKey: t.authKey(ann, { tags: ["tag:web"] }) });
    if (!decision.ok) throw new Error("refused");
    const key = decision.changes.find((change) => change.type === "node-put");
    if (key?.type !== "node-put") throw new Error("no node was made");
    const [entry, ...others] = audit(decision.changes, { kind: "node", nodeKey: key.node.nodeKey });
    expect(entry).toMatchObject({
      origin: "NODE",
      actor: { id: key.node.stableId, type: "NODE", displayName: "host-1", tags: ["tag:web"] },
      target: { id: key.node.stableId, type: "NODE" },
      action: "CREATE",
      after: { name: "host-1", tags: ["tag:web"], authKeyId: key.node.authKeyId },
    });
    expect(others).toEqual([]);
  });

  it("leaves out a value that is too long, but says how long it is", () => {
    const text = `${POLICY}${" ".repeat(AUDIT_MAX_VALUE)}`;
    const [entry] = auditOf(setPolicy(t.tailnet, text, "", t.now));
    expect(entry).toMatchObject({ before: POLICY, after: `(${text.length} bytes, too long for the log)` });
  });
});

describe("what is logged", () => {
  it("of a node: approval, tags, routes and removal", () => {
    const node = joined();
    const properties = (decision: Decision<unknown>) =>
      auditOf(decision).map(({ action, target, before, after }) => [action, target.property, before, after]);
    expect(properties(authorizeNode(t.node(node), false))).toEqual([
      ["UPDATE", "MACHINE_APPROVAL_NEEDED", false, true],
    ]);
    expect(properties(authorizeNode(t.node(node), true))).toEqual([
      ["APPROVE", "MACHINE_APPROVAL_NEEDED", true, false],
    ]);
    expect(properties(approveRoutes(t.node(node), ["10.0.0.0/8"]))).toEqual([
      ["UPDATE", "ALLOWED_IPS", [], ["10.0.0.0/8"]],
    ]);
    expect(properties(tagNode(t.tailnet, t.node(node), ["tag:web"], t.contextOf(ann)))).toContainEqual([
      "UPDATE",
      "ACL_TAGS",
      [],
      ["tag:web"],
    ]);
    expect(auditOf(deleteNode(t.node(node)))).toMatchObject([{ action: "DELETE", before: { name: "host-1" } }]);
  });

  it("of keys: that they are made and revoked, never a secret or its hash", () => {
    const made = createAuthKey(
      t.tailnet,
      { isReusable: true, isEphemeral: false, isPreauthorized: false, tags: [], lifetimeMs: 1, description: "ci" },
      t.contextOf(ann),
    );
    if (!made.ok) throw new Error("refused");
    const events = auditOf(made);
    expect(events).toMatchObject([
      { action: "CREATE", target: { type: "API_KEY", id: made.result.key.id, name: "ci" }, after: { reusable: true } },
    ]);
    expect(JSON.stringify(events)).not.toContain(made.result.key.hash);
    expect(JSON.stringify(events)).not.toContain(made.result.text.split("-")[3]);
    expect(auditOf(revokeKey(t.tailnet, made.result.key.id, t.now))).toMatchObject([{ action: "REVOKE" }]);
    expect(auditOf(revokeKey(t.tailnet, made.result.key.id, t.now))).toEqual([]);
  });

  it("of users: that they are made, their role, and suspension", () => {
    expect(auditOf(createUser(t.tailnet, "bob@example.com", "member", t.context))).toMatchObject([
      { action: "CREATE", target: { type: "USER", name: "bob@example.com" }, after: { role: "member" } },
    ]);
    const put = (user: User) => auditOf({ ok: true, result: null, changes: [{ type: "user-put", user }] });
    expect(put({ ...ann, role: "member" })).toMatchObject([
      { action: "UPDATE", target: { property: "USER_ROLE" }, before: "owner", after: "member" },
    ]);
    expect(put({ ...ann, role: "member", isSuspended: true })).toMatchObject([{ action: "SUSPEND" }]);
    expect(put({ ...ann, role: "member" })).toMatchObject([{ action: "RESTORE" }]);
  });

  it("of settings: each one that differs", () => {
    const settings = {
      ...t.tailnet.settings,
      isMagicDnsOn: false,
      nameservers: [{ address: "192.0.2.53", useWithExitNode: false }],
    };
    const decision = { ok: true, result: null, changes: [{ type: "settings-put", settings }] } as const;
    expect(auditOf(decision).map(({ target, before, after }) => [target.property, before, after])).toEqual([
      ["MAGIC_DNS", true, false],
      ["DNS_CONFIG", [], [{ address: "192.0.2.53", useWithExitNode: false }]],
    ]);
  });

  it("nothing of what nodes report all the time", () => {
    const node = joined();
    const group = () => {
      throw new Error("an entry was made");
    };
    const quiet = { ...node, endpoints: ["192.0.2.1:1"], homeDerp: 3, isOnline: true, lastSeenAt: 5 };
    const changes: Change[] = [{ type: "node-put", node: quiet }];
    expect(auditChanges(t.tailnet, changes, { actor: TAILNET_ACTOR, now: t.now, groupId: group })).toEqual([]);
  });
});
