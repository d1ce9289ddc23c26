import { beforeEach, expect, it } from "vitest";
import { TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { actorOf, TAILNET_ACTOR } from "../../entities/actor.ts";
import type { User } from "../../entities/user.ts";
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

it("suspends and restores; approving has nothing to do", () => {
  t.run(changeUser(bob, { type: "suspend" }, actorOf(admin)));
  expect(present(bob)?.isSuspended).toBe(true);
  t.run(changeUser(present(bob) as User, { type: "restore" }, actorOf(admin)));
  expect(present(bob)).toEqual(bob);
  t.run(changeUser(bob, { type: "approve" }, actorOf(admin)));
  expect(t.changes).toEqual([]);
});

it("gives roles", () => {
  t.run(changeUser(bob, { type: "role", role: "auditor" }, actorOf(admin)));
  expect(present(bob)?.role).toBe("auditor");
});

it("lets only the owner make another the owner, and leaves one", () => {
  const action = { type: "role", role: "owner" } as const;
  for (const actor of [actorOf(admin), TAILNET_ACTOR]) {
    expect(t.refusal(changeUser(bob, action, actor))).toEqual({ reason: "forbidden" });
  }
  t.run(changeUser(bob, action, actorOf(owner)));
  expect([present(bob)?.role, present(owner)?.role]).toEqual(["owner", "admin"]);
});

it("touches neither the owner nor the one who asks", () => {
  expect(t.refusal(changeUser(owner, { type: "suspend" }, actorOf(admin))).reason).toBe("invalid");
  expect(t.refusal(changeUser(owner, { type: "role", role: "member" }, actorOf(admin))).reason).toBe("invalid");
  for (const action of [{ type: "suspend" }, { type: "role", role: "member" }, { type: "approve" }] as const) {
    expect(t.refusal(changeUser(admin, action, actorOf(admin)))).toEqual({ reason: "forbidden" });
  }
});
