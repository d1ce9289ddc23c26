// Check mode of Tailscale SSH: the destination node asks what to do with a login that a check rule covers; a person
// confirms it or not; the destination hears of it (control-protocol.md 6.4, policy.md 16.3).
//
// A login is bound to source, destination, account and the source's owner. Only the destination may ask, only the owner
// may confirm, and whatever the policy says when the answer is given counts, not what it said when the login began.
import type { SSHAction } from "../../../protocol/control/ssh.ts";
import type { MachineKey } from "../../../protocol/keys.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import { isServed, type Node, type NodeId } from "../../entities/node.ts";
import { randomText } from "../../entities/secret-token.ts";
import {
  MAX_WAITING,
  MAX_WAITING_AT_DESTINATION,
  type PassedSSHCheck,
  passedCheckId,
  SSH_ANSWER_LIFETIME_MS,
  SSH_CHECK_LIFETIME_MS,
  type SSHCheckRequest,
} from "../../entities/ssh-check.ts";
import type { User } from "../../entities/user.ts";
import { nodesOfMachine, type Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** A login as its destination reports it. */
export interface SSHLogin {
  readonly sourceId: NodeId;
  readonly destinationId: NodeId;
  readonly localUser: string;
  /** The check that this login waits for already; empty at first. */
  readonly checkId: string;
}

/** What the destination shall do: act, ask a person first, or keep waiting for one. */
export type SSHVerdict =
  | { readonly kind: "act"; readonly action: SSHAction }
  | { readonly kind: "hold"; readonly checkId: string }
  | { readonly kind: "wait"; readonly checkId: string };

/** Decides what becomes of a login. The question is answered only for a node of the machine that asks. */
export function checkSSH(
  tailnet: Tailnet,
  login: SSHLogin,
  machineKey: MachineKey,
  context: CommandContext,
): Decision<SSHVerdict> {
  const destination = nodesOfMachine(tailnet, machineKey).find(({ id }) => id === login.destinationId);
  if (destination === undefined || !isServed(destination, context.now))
    return refused({ reason: "not-found", what: "device" });
  const subject = subjectOf(tailnet, login, context.now);
  if (typeof subject === "string") return decided(rejection(subject));
  if (login.checkId !== "") {
    const check = tailnet.sshChecks.get(login.checkId);
    const answer = check === undefined || !isOf(check, login, subject) ? undefined : answerOf(check, subject, context);
    if (answer !== undefined) return decided(answer);
  }
  if (isRemembered(tailnet, login, subject, context.now)) return decided({ kind: "act", action: subject.action });
  return startCheck(tailnet, login, subject, context);
}

/** What the destination of a login that waited shall do now; undefined while it still waits. */
export function answerSSHCheck(
  tailnet: Tailnet,
  check: SSHCheckRequest | undefined,
  now: number,
): SSHAction | undefined {
  if (check === undefined) return reject("The login was not confirmed in time.");
  const subject = subjectOf(tailnet, check, now);
  if (typeof subject === "string") return reject(subject);
  const answer = answerOf(check, subject, { now });
  if (answer === undefined) return reject("The login was not confirmed in time.");
  return answer.kind === "act" ? answer.action : undefined;
}

/** Confirms a login as `user`, who signed in at `signedInAt`: after the login began, or it is no new proof. */
export function approveSSHCheck(
  tailnet: Tailnet,
  checkId: string,
  { user, signedInAt }: { readonly user: User; readonly signedInAt: number },
  now: number,
): Decision<null> {
  const check = waitingSSHCheck(tailnet, checkId, now);
  if (check === undefined) return refused({ reason: "not-found", what: "login" });
  if (user.isSuspended) return refused({ reason: "user-suspended" });
  if (check.userId !== user.id) return refused({ reason: "not-yours" });
  if (signedInAt < check.createdAt) return refused({ reason: "sign-in-too-old" });
  const subject = subjectOf(tailnet, check, now);
  if (typeof subject === "string") return refused({ reason: "conflict", detail: subject });
  const { sourceId, destinationId, userId } = check;
  const passed: PassedSSHCheck = {
    id: passedCheckId(sourceId, destinationId, subject.periodSeconds),
    sourceId,
    userId,
    passedAt: now,
  };
  const remembered: Change[] = subject.periodSeconds > 0 ? [{ type: "ssh-check-passed", passed }] : [];
  return decided(null, [...remembered, answered(check, "approved", now)]);
}

/** Turns a login down; the source's owner alone may. */
export function denySSHCheck(tailnet: Tailnet, checkId: string, user: User, now: number): Decision<null> {
  const check = waitingSSHCheck(tailnet, checkId, now);
  if (check === undefined) return refused({ reason: "not-found", what: "login" });
  if (check.userId !== user.id) return refused({ reason: "not-yours" });
  return decided(null, [answered(check, "denied", now)]);
}

/** The login if it can still be confirmed. */
export function waitingSSHCheck(tailnet: Tailnet, checkId: string, now: number): SSHCheckRequest | undefined {
  const check = tailnet.sshChecks.get(checkId);
  return check?.state === "waiting" && check.expiresAt > now ? check : undefined;
}

/** Who must confirm a login, and what follows when they have. */
interface Subject {
  readonly source: Node;
  readonly userId: number;
  readonly periodSeconds: number;
  readonly action: SSHAction;
}

type Parties = Pick<SSHLogin, "sourceId" | "destinationId" | "localUser">;

/** The subject of a login under the policy in force, or why there is none. */
function subjectOf(tailnet: Tailnet, { sourceId, destinationId, localUser }: Parties, now: number): Subject | string {
  const source = tailnet.nodes.get(sourceId);
  const check = tailnet.engine.sshCheckOf(sourceId, destinationId, localUser);
  if (source === undefined || check === null) return "The policy does not allow this login.";
  if (!isServed(source, now)) return "The device that you connect from must log in to the tailnet again.";
  if (source.userId === null) return "A tagged device cannot pass a check: there is nobody to ask.";
  if (tailnet.users.get(source.userId)?.isSuspended !== false) return "The owner of this device is suspended.";
  return { source, userId: source.userId, periodSeconds: check.periodSeconds, action: check.action };
}

function isOf(check: SSHCheckRequest, login: SSHLogin, { userId }: Subject): boolean {
  return (
    check.sourceId === login.sourceId &&
    check.destinationId === login.destinationId &&
    check.localUser === login.localUser &&
    check.userId === userId
  );
}

/** The answer that a check has, or that it still waits; undefined when it is too late for one. */
function answerOf(
  check: SSHCheckRequest,
  { userId, action }: Subject,
  { now }: Pick<CommandContext, "now">,
): SSHVerdict | undefined {
  if (check.expiresAt <= now || check.userId !== userId) return undefined;
  if (check.state === "waiting") return { kind: "wait", checkId: check.id };
  return check.state === "denied" ? rejection("The login was denied.") : { kind: "act", action };
}

/** Whether the owner has passed a check that covers this login and is not too long ago. */
function isRemembered(tailnet: Tailnet, login: Parties, subject: Subject, now: number): boolean {
  const { periodSeconds, userId } = subject;
  const passed = tailnet.passedSSHChecks.get(passedCheckId(login.sourceId, login.destinationId, periodSeconds));
  return passed?.userId === userId && now < passed.passedAt + periodSeconds * 1_000;
}

/** Makes a page for the login; one that waits for the same is shared, unless every login needs a check of its own. */
function startCheck(
  tailnet: Tailnet,
  login: SSHLogin,
  subject: Subject,
  { now, random }: CommandContext,
): Decision<SSHVerdict> {
  const waiting = [...tailnet.sshChecks.values()].filter(({ state }) => state === "waiting");
  const same = waiting.find((check) => isOf(check, login, subject) && check.expiresAt > now);
  if (same !== undefined && subject.periodSeconds > 0) return decided({ kind: "hold", checkId: same.id });
  if (waiting.length >= MAX_WAITING) return decided(rejection("Too many logins wait to be confirmed."));
  const here = waiting.filter(({ destinationId }) => destinationId === login.destinationId);
  const excess = Math.max(0, here.length + 1 - MAX_WAITING_AT_DESTINATION);
  const displaced = here.sort((a, b) => a.createdAt - b.createdAt).slice(0, excess);
  const check: SSHCheckRequest = {
    id: randomText(random, 32),
    sourceId: login.sourceId,
    destinationId: login.destinationId,
    localUser: login.localUser,
    userId: subject.userId,
    createdAt: now,
    expiresAt: now + SSH_CHECK_LIFETIME_MS,
    state: "waiting",
  };
  const changes: Change[] = displaced.map(({ id }) => ({ type: "ssh-check-removed", id }));
  return decided({ kind: "hold", checkId: check.id }, [...changes, { type: "ssh-check-put", check }]);
}

function answered(check: SSHCheckRequest, state: "approved" | "denied", now: number): Change {
  return { type: "ssh-check-put", check: { ...check, state, expiresAt: now + SSH_ANSWER_LIFETIME_MS } };
}

function rejection(message: string): SSHVerdict {
  return { kind: "act", action: reject(message) };
}

/** Clients print the message as it stands. */
function reject(message: string): SSHAction {
  return { reject: true, message: `# Tailscale SSH: ${message}\r\n` };
}
