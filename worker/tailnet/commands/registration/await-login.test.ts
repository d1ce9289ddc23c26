// The client's rows of control-protocol.md 4.6; the person's are in decide-login.test.ts.
import { beforeEach, describe, expect, it } from "vitest";
import { MINUTE, type RegisterSpec, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { ANSWERED_LIFETIME_MS, MAX_PENDING, PENDING_LIFETIME_MS } from "../../entities/pending-registration.ts";
import type { User } from "../../entities/user.ts";
import { approveLogin, denyLogin } from "./decide-login.ts";

let t: TestTailnet;
let ann: User;

beforeEach(() => {
  t = new TestTailnet();
  ann = t.user("ann");
});

/** Asks for a login page. @returns id of the pending registration */
function login(spec: RegisterSpec): string {
  const result = t.register(spec);
  if (result.kind !== "login") throw new Error(`no login page but ${result.kind}`);
  return result.pendingId;
}

const follow = (id: string) => `https://control.example.com/a/${id}`;

describe("a follow-up", () => {
  it("waits while nobody has decided, and changes nothing", () => {
    const id = login({ machine: 1, key: 1 });
    expect(t.register({ machine: 1, key: 1, followup: follow(id) })).toEqual({ kind: "wait", pendingId: id });
    expect(t.register({ machine: 1, key: 1, followup: follow(id) })).toEqual({ kind: "wait", pendingId: id });
    expect(t.changes).toEqual([]);
  });

  it("succeeds at once after approval, and again for a reply that got lost", () => {
    const id = login({ machine: 1, key: 1 });
    const node = t.run(approveLogin(t.tailnet, id, ann, t.context));
    expect(t.effects.decidedLogins).toEqual(new Set([id]));
    t.pass(10 * MINUTE);
    for (let i = 0; i < 2; i++) {
      expect(t.register({ machine: 1, key: 1, followup: follow(id) })).toEqual({ kind: "registered", node });
    }
  });

  it("tells of a denial for as long as it is kept", () => {
    const id = login({ machine: 1, key: 1 });
    t.run(denyLogin(t.tailnet, id, ann, t.context));
    expect(t.refusal(t.decideRegister({ machine: 1, key: 1, followup: follow(id) }))).toEqual({
      reason: "login-denied",
    });
    t.pass(ANSWERED_LIFETIME_MS);
    expect(login({ machine: 1, key: 1, followup: follow(id) })).not.toBe(id);
  });

  it("gets a new page when its own has run out, whether that is noticed already or not", () => {
    const id = login({ machine: 1, key: 1 });
    t.now += PENDING_LIFETIME_MS;
    const second = login({ machine: 1, key: 1, followup: follow(id) });
    expect(second).not.toBe(id);
    t.pass(PENDING_LIFETIME_MS);
    expect(t.tailnet.pendings.size).toBe(0);
    expect(t.effects.decidedLogins).toEqual(new Set([second]));
    expect(login({ machine: 1, key: 1, followup: follow(second) })).not.toBe(second);
  });

  it.each([
    "https://control.example.com/a/unknown",
    `https://x/a/${"A".repeat(32)}`,
    "nonsense",
    `/a/${"A".repeat(32)}/x`,
  ])("of %j gets a new page", (followup) => {
    expect(t.register({ machine: 1, key: 1, followup }).kind).toBe("login");
  });

  it("from another machine or with another key is never completed", () => {
    const id = login({ machine: 1, key: 1 });
    expect(login({ machine: 2, key: 2, followup: follow(id) })).not.toBe(id);
    expect(t.tailnet.pendings.get(id)?.state).toBe("waiting");
    t.run(approveLogin(t.tailnet, id, ann, t.context));
    expect(login({ machine: 2, key: 2, followup: follow(id) })).not.toBe(id);
    expect(login({ machine: 1, key: 3, followup: follow(id) })).not.toBe(id);
  });

  it("of an approved page gets a new one when the node is gone or has another key by now", () => {
    const id = login({ machine: 1, key: 1 });
    const node = t.run(approveLogin(t.tailnet, id, ann, t.context));
    t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann) });
    expect(login({ machine: 1, key: 1, followup: follow(id) })).not.toBe(id);
    t.apply([{ type: "node-removed", id: node.id }]);
    expect(login({ machine: 1, key: 1, followup: follow(id) })).not.toBe(id);
  });

  it("is decided before the auth key that is configured", () => {
    const id = login({ machine: 1, key: 1 });
    const authKey = t.authKey(ann);
    expect(t.register({ machine: 1, key: 1, followup: follow(id), authKey }).kind).toBe("wait");
  });
});

describe("asking without a follow-up while a page waits", () => {
  it("gives the same page when the very same is asked", () => {
    const id = login({ machine: 1, key: 1, hostinfo: { Hostname: "x", NetInfo: { PreferredDERP: 1 } } });
    t.now += MINUTE;
    expect(login({ machine: 1, key: 1, hostinfo: { Hostname: "x", NetInfo: { PreferredDERP: 2 } } })).toBe(id);
    expect(t.changes).toEqual([]);
  });

  it.each<[string, Partial<RegisterSpec>]>([
    ["node key", { key: 2 }],
    ["replaced key", { replaces: 9 }],
    ["host name", { hostinfo: { Hostname: "other" } }],
    ["set of tags", { hostinfo: { Hostname: "host-1", RequestTags: ["tag:prod"] } }],
    ["wish to be ephemeral", { isEphemeral: true }],
    ["version", { version: 146 }],
  ])("gives a new page for another %s, and the old one can not be approved any more", (_what, changed) => {
    const id = login({ machine: 1, key: 1 });
    const second = login({ machine: 1, key: 1, ...changed });
    expect(second).not.toBe(id);
    expect([...t.tailnet.pendings.keys()]).toEqual([second]);
    expect(t.effects.decidedLogins).toEqual(new Set([id]));
    expect(t.refusal(approveLogin(t.tailnet, id, ann, t.context))).toEqual({
      reason: "not-found",
      what: "registration",
    });
  });

  it("leaves pages of other machines and answers alone", () => {
    const approved = login({ machine: 1, key: 1 });
    t.run(approveLogin(t.tailnet, approved, ann, t.context));
    const other = login({ machine: 2, key: 2 });
    const mine = login({ machine: 1, key: 3 });
    expect([...t.tailnet.pendings.keys()].sort()).toEqual([approved, other, mine].sort());
  });
});

describe("a flood of logins", () => {
  it(`keeps ${MAX_PENDING} pages: the oldest that waits gives way, answers last`, () => {
    const approved = login({ machine: 1, key: 1 });
    t.run(approveLogin(t.tailnet, approved, ann, t.context));
    const oldest = login({ machine: 2, key: 2 });
    for (let n = 3; n <= MAX_PENDING; n++) {
      t.now += 1;
      login({ machine: n, key: n });
    }
    expect(t.tailnet.pendings.size).toBe(MAX_PENDING);
    expect(t.tailnet.pendings.has(oldest)).toBe(true);
    login({ machine: MAX_PENDING + 1, key: MAX_PENDING + 1 });
    expect(t.tailnet.pendings.size).toBe(MAX_PENDING);
    expect(t.tailnet.pendings.has(oldest)).toBe(false);
    expect(t.tailnet.pendings.has(approved)).toBe(true);
  });

  it("of one machine keeps one page", () => {
    for (let n = 1; n <= 20; n++) login({ machine: 1, key: n });
    expect(t.tailnet.pendings.size).toBe(1);
  });
});
