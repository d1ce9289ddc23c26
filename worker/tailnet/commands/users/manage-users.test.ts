import { beforeEach, expect, it } from "vitest";
import { TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { actorOf, TAILNET_ACTOR } from "../../entities/actor.ts";
import { takesPart } from "../../entities/node.ts";
import type { User } from "../../entities/user.ts";
import { setSettings } from "../configuration/set-settings.ts";
import { createApiToken } from "../credentials/manage-keys.ts";
import { changeUser } from "./manage-users.ts";

let t: TestTailnet;
let owner: User;
let admin: User;
let bob: User;

beforeEach(() => {
  t = new TestTailnet();
  owner = t.user("ann", "owner");
  admin = t.user("adam", "admin");
  bob = t.user("bob");
});

const present = (user: User) => t.tailnet.users.get(user.id);

it("suspends and restores; approving the approved has nothing to do", () => {
  t.run(changeUser(t.tailnet, bob, { type: "suspend" }, actorOf(admin)));
  expect(present(bob)?.isSuspended).toBe(true);
  t.run(changeUser(t.tailnet, present(bob) as User, { type: "restore" }, actorOf(admin)));
  expect(present(bob)).toEqual(bob);
  t.run(changeUser(t.tailnet, bob, { type: "approve" }, actorOf(admin)));
  expect(t.changes).toEqual([]);
});

it("gives roles", () => {
  t.run(changeUser(t.tailnet, bob, { type: "role", role: "auditor" }, actorOf(admin)));
  expect(present(bob)?.role).toBe("auditor");
});

it("lets only the owner make another the owner, and leaves one", () => {
  const action = { type: "role", role: "owner" } as const;
  for (const actor of [actorOf(admin), TAILNET_ACTOR]) {
    expect(t.refusal(changeUser(t.tailnet, bob, action, actor))).toEqual({ reason: "forbidden" });
  }
  t.run(changeUser(t.tailnet, bob, action, actorOf(owner)));
  expect([present(bob)?.role, present(owner)?.role]).toEqual(["owner", "admin"]);
});

it("touches neither the owner nor the one who asks", () => {
  expect(t.refusal(changeUser(t.tailnet, owner, { type: "suspend" }, actorOf(admin))).reason).toBe("invalid");
  expect(t.refusal(changeUser(t.tailnet, owner, { type: "role", role: "member" }, actorOf(admin))).reason).toBe(
    "invalid",
  );
  for (const action of [{ type: "suspend" }, { type: "role", role: "member" }, { type: "approve" }] as const) {
    expect(t.refusal(changeUser(t.tailnet, admin, action, actorOf(admin)))).toEqual({ reason: "forbidden" });
  }
});

it("deletes a user with their devices, auth keys and API tokens, and nobody else's", () => {
  const theirs = t.join({ machine: 1, key: 1, authKey: t.authKey(bob) });
  const others = t.join({ machine: 2, key: 2, authKey: t.authKey(admin) });
  t.run(createApiToken(bob, "", t.context));
  t.run(changeUser(t.tailnet, bob, { type: "delete" }, actorOf(admin)));
  expect(present(bob)).toBeUndefined();
  expect([...t.tailnet.nodes.keys()]).toEqual([others.id]);
  expect(t.tailnet.nodes.has(theirs.id)).toBe(false);
  expect([...t.tailnet.authKeys.values()].map(({ userId }) => userId)).toEqual([admin.id]);
  expect(t.tailnet.apiTokens.size).toBe(0);
  expect(t.user("bob").id).toBeGreaterThan(bob.id);
});

it("keeps the owner from being deleted", () => {
  const refusal = t.refusal(changeUser(t.tailnet, owner, { type: "delete" }, actorOf(admin)));
  expect(refusal).toMatchObject({ reason: "invalid" });
});

it("gives an IT administrator no power over those above", () => {
  const it = actorOf(t.user("ida", "it-admin"));
  for (const action of [{ type: "delete" }, { type: "suspend" }, { type: "role", role: "member" }] as const) {
    expect(t.refusal(changeUser(t.tailnet, admin, action, it))).toEqual({ reason: "forbidden" });
  }
  expect(t.refusal(changeUser(t.tailnet, bob, { type: "role", role: "admin" }, it))).toEqual({ reason: "forbidden" });
  t.run(changeUser(t.tailnet, bob, { type: "role", role: "auditor" }, it));
  expect(present(bob)?.role).toBe("auditor");
});

it("lets a waiting user's devices take part once they are approved", () => {
  t.apply([{ type: "user-put", user: { ...bob, isApproved: false } }]);
  const node = t.join({ machine: 1, key: 1, authKey: t.authKey(bob) });
  expect(takesPart(t.node(node))).toBe(false);
  expect(
    t.refusal(changeUser(t.tailnet, present(bob) as User, { type: "role", role: "owner" }, actorOf(owner))),
  ).toMatchObject({
    reason: "invalid",
  });
  t.run(changeUser(t.tailnet, present(bob) as User, { type: "approve" }, actorOf(admin)));
  expect(takesPart(t.node(node))).toBe(true);
});

it("lets nobody wait any more when the tailnet stops to ask for approval", () => {
  t.apply([{ type: "user-put", user: { ...bob, isApproved: false } }]);
  t.run(setSettings(t.tailnet, { isUserApprovalOn: true }));
  expect(present(bob)?.isApproved).toBe(false);
  t.run(setSettings(t.tailnet, { isUserApprovalOn: false }));
  expect(present(bob)?.isApproved).toBe(true);
});
