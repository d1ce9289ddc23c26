import { describe, expect, it } from "vitest";
import { DAY, MINUTE, SECOND, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import type { Node } from "../../entities/node.ts";
import { MAX_WAITING_AT_DESTINATION } from "../../entities/ssh-check.ts";
import type { User } from "../../entities/user.ts";
import { setPolicy } from "../policy/set-policy.ts";
import {
  answerSSHCheck,
  approveSSHCheck,
  checkSSH,
  denySSHCheck,
  type SSHLogin,
  type SSHVerdict,
} from "./check-ssh.ts";

const checked = (more: object = {}) => ({
  action: "check",
  src: ["autogroup:member"],
  dst: ["tag:server"],
  users: ["autogroup:nonroot"],
  ...more,
});

const policyOf = (...ssh: object[]) => JSON.stringify({ tagOwners: { "tag:server": [], "tag:other": [] }, ssh });

interface Scene {
  readonly t: TestTailnet;
  readonly ann: User;
  readonly bob: User;
  readonly laptop: Node;
  readonly server: Node;
  readonly other: Node;
  /** The destination asks; `more` changes what it asks for. */
  readonly ask: (more?: Partial<SSHLogin>, from?: Node) => SSHVerdict;
  readonly confirm: (checkId: string, user?: User, signedInAt?: number) => void;
}

function scene(policy: string): Scene {
  const t = new TestTailnet({ policy });
  const [ann, bob] = [t.user("ann", "admin"), t.user("bob")];
  const laptop = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
  const server = t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { tags: ["tag:server"] }) });
  const other = t.join({ machine: 3, key: 3, authKey: t.authKey(ann, { tags: ["tag:server"] }) });
  const login = { sourceId: laptop.id, destinationId: server.id, localUser: "ubuntu", checkId: "" };
  return {
    t,
    ann,
    bob,
    laptop,
    server,
    other,
    ask: (more = {}, from = server) =>
      t.run(checkSSH(t.tailnet, { ...login, ...more }, from.machineKey, t.contextOf(ann))),
    confirm: (checkId, user = ann, signedInAt = t.now) => {
      t.run(approveSSHCheck(t.tailnet, checkId, { user, signedInAt }, t.now));
    },
  };
}

function held(verdict: SSHVerdict): string {
  if (verdict.kind !== "hold") throw new Error(`not held: ${JSON.stringify(verdict)}`);
  return verdict.checkId;
}

const accepted = { kind: "act", action: expect.objectContaining({ accept: true, allowAgentForwarding: true }) };
const rejected = (text: string) => ({
  kind: "act",
  action: { reject: true, message: expect.stringContaining(text) },
});

describe("a login that a check rule covers", () => {
  it("is held, waits, and goes on once its owner has confirmed it", () => {
    const { t, ask, confirm } = scene(policyOf(checked()));
    const checkId = held(ask());
    expect(ask({ checkId })).toEqual({ kind: "wait", checkId });
    expect(answerSSHCheck(t.tailnet, t.tailnet.sshChecks.get(checkId), t.now)).toBeUndefined();
    confirm(checkId);
    expect(t.effects.decidedLogins).toEqual(new Set([checkId]));
    expect(ask({ checkId })).toEqual(accepted);
    expect(answerSSHCheck(t.tailnet, t.tailnet.sshChecks.get(checkId), t.now)).toEqual(accepted.action);
  });

  it("shares the page of one that waits for the same", () => {
    const { ask } = scene(policyOf(checked()));
    const checkId = held(ask());
    expect(held(ask())).toBe(checkId);
    expect(held(ask({ localUser: "debian" }))).not.toBe(checkId);
  });

  it("is turned down when its owner denies it", () => {
    const { t, ann, ask } = scene(policyOf(checked()));
    const checkId = held(ask());
    t.run(denySSHCheck(t.tailnet, checkId, ann, t.now));
    expect(ask({ checkId })).toEqual(rejected("denied"));
    expect(held(ask())).not.toBe(checkId);
  });

  it("is turned down when nobody confirms it in time", () => {
    const { t, ask } = scene(policyOf(checked()));
    const checkId = held(ask());
    t.pass(15 * MINUTE);
    expect(t.effects.decidedLogins).toEqual(new Set([checkId]));
    expect(answerSSHCheck(t.tailnet, t.tailnet.sshChecks.get(checkId), t.now)).toEqual(rejected("in time").action);
    expect(held(ask({ checkId }))).not.toBe(checkId);
  });

  it("is turned down when the policy has changed before the answer", () => {
    const { t, ann, ask, confirm } = scene(policyOf(checked()));
    const checkId = held(ask());
    t.run(setPolicy(t.tailnet, policyOf(), ann.loginName, t.now));
    expect(() => confirm(checkId)).toThrow();
    expect(ask({ checkId })).toEqual(rejected("policy"));
  });
});

describe("only the right ones", () => {
  it("may ask: the destination itself", () => {
    const { t, ann, laptop, other, server, ask } = scene(policyOf(checked()));
    expect(() => ask({}, other)).toThrow();
    expect(() => ask({}, laptop)).toThrow();
    const login = { sourceId: laptop.id, destinationId: server.id, localUser: "ubuntu", checkId: "" };
    expect(t.refusal(checkSSH(t.tailnet, login, laptop.machineKey, t.contextOf(ann)))).toEqual({
      reason: "not-found",
      what: "device",
    });
  });

  it("may confirm: the owner of the source, having signed in since", () => {
    const { t, ann, bob, ask } = scene(policyOf(checked()));
    const checkId = held(ask());
    const approve = (user: User, signedInAt: number) =>
      t.refusal(approveSSHCheck(t.tailnet, checkId, { user, signedInAt }, t.now)).reason;
    expect(approve(bob, t.now)).toBe("not-yours");
    expect(approve(ann, t.now - 1)).toBe("sign-in-too-old");
    expect(approve({ ...ann, isSuspended: true }, t.now)).toBe("user-suspended");
    expect(t.refusal(denySSHCheck(t.tailnet, checkId, bob, t.now)).reason).toBe("not-yours");
    expect(t.refusal(denySSHCheck(t.tailnet, "unknown", ann, t.now)).reason).toBe("not-found");
  });

  it("are answered by a check: not one of another login", () => {
    const { ask, confirm, other } = scene(policyOf(checked({ checkPeriod: "always" })));
    const checkId = held(ask());
    confirm(checkId);
    expect(held(ask({ checkId, localUser: "debian" }))).not.toBe(checkId);
    expect(held(ask({ checkId, destinationId: other.id }, other))).not.toBe(checkId);
    expect(ask({ checkId })).toEqual(accepted);
  });

  it.each([
    ["as an account that the rule does not name", { localUser: "root" }],
    ["from a node that does not exist", { sourceId: 999 }],
  ])("log in: nobody %s", (_, more) => {
    const { ask } = scene(policyOf(checked()));
    expect(ask(more)).toEqual(rejected("policy"));
  });

  it("log in: no tagged device, which has nobody to ask", () => {
    const { other, ask } = scene(policyOf(checked()));
    expect(ask({ sourceId: other.id })).toMatchObject({ kind: "act", action: { reject: true } });
  });
});

describe("a check that was passed", () => {
  it("counts for all destinations of default rules, for 12 hours, from that device alone", () => {
    const { t, ann, other, ask, confirm } = scene(policyOf(checked()));
    const phone = t.join({ machine: 4, key: 4, authKey: t.authKey(ann) });
    confirm(held(ask()));
    expect(ask()).toEqual(accepted);
    expect(ask({ destinationId: other.id, localUser: "debian" }, other)).toEqual(accepted);
    held(ask({ sourceId: phone.id }));
    t.now += 12 * 60 * MINUTE - 1;
    expect(ask()).toEqual(accepted);
    t.now += 1;
    held(ask());
  });

  it("counts for its own destination when the rule has a period of its own", () => {
    const { t, other, ask, confirm } = scene(policyOf(checked({ checkPeriod: "1h" })));
    confirm(held(ask()));
    held(ask({ destinationId: other.id }, other));
    t.now += 60 * MINUTE - 1;
    expect(ask()).toEqual(accepted);
    t.now += 1;
    held(ask());
  });

  it("is forgotten at once under `always`, and every login has a page of its own", () => {
    const { ask, confirm } = scene(policyOf(checked({ checkPeriod: "always" })));
    const [one, two] = [held(ask()), held(ask())];
    expect(one).not.toBe(two);
    confirm(one);
    expect(ask({ checkId: one })).toEqual(accepted);
    expect(ask({ checkId: two })).toEqual({ kind: "wait", checkId: two });
    held(ask());
  });

  it("is worth nothing once the device has another owner", () => {
    const { t, bob, laptop, ask, confirm } = scene(policyOf(checked()));
    confirm(held(ask()));
    t.apply([{ type: "node-put", node: { ...t.node(laptop), userId: bob.id } }]);
    held(ask());
  });

  it("is dropped from storage after the longest period that there is", () => {
    const { t, ask, confirm } = scene(policyOf(checked()));
    confirm(held(ask()));
    t.pass(7 * DAY - SECOND);
    expect(t.tailnet.passedSSHChecks.size).toBe(1);
    t.pass(SECOND);
    expect(t.tailnet.passedSSHChecks.size).toBe(0);
    expect(t.tailnet.sshChecks.size).toBe(0);
  });
});

describe("the final action", () => {
  it("carries the recorders and what follows when they fail", () => {
    const { t, ask, confirm, other } = scene(policyOf(checked({ recorder: ["tag:server"], enforceRecorder: true })));
    const checkId = held(ask());
    confirm(checkId);
    expect(ask({ checkId })).toMatchObject({
      action: {
        accept: true,
        recorders: expect.arrayContaining([`${t.node(other).ipv4}:80`]),
        onRecordingFailure: { RejectSessionWithMessage: expect.any(String) },
      },
    });
  });
});

it("lets the oldest of too many waiting logins at one destination go", () => {
  const { t, ask } = scene(policyOf(checked({ checkPeriod: "always" })));
  const first = held(ask());
  for (let n = 1; n < MAX_WAITING_AT_DESTINATION; n++) {
    t.now += 1;
    held(ask());
  }
  expect(t.tailnet.sshChecks.size).toBe(MAX_WAITING_AT_DESTINATION);
  t.now += 1;
  held(ask());
  expect(t.tailnet.sshChecks.has(first)).toBe(false);
  expect(t.tailnet.sshChecks.size).toBe(MAX_WAITING_AT_DESTINATION);
});
