// Interactive login, the client's side (control-protocol.md 4.6): make a pending registration and show its page, or
// wait for the one that the client follows up. A lost or foreign one is replaced by a new page, never completed.

import type { MachineKey } from "../../../protocol/keys.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import { MAX_PENDING, PENDING_LIFETIME_MS, type PendingRegistration } from "../../entities/pending-registration.ts";
import { randomText } from "../../entities/secret-token.ts";
import type { Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "./place-node.ts";
import { deviceOf, type RegisterResult, type Registration } from "./registration.ts";

/** Decides a registration that needs a person. */
export function awaitLogin(
  tailnet: Tailnet,
  registration: Registration,
  context: CommandContext,
): Decision<RegisterResult> {
  const pending = followedUp(tailnet, registration, context.now);
  if (pending === undefined) return startLogin(tailnet, registration, context);
  if (pending.state === "denied") return refused({ reason: "login-denied" });
  if (pending.state === "waiting") return decided({ kind: "wait", pendingId: pending.id });
  const node = pending.nodeId === null ? undefined : tailnet.nodes.get(pending.nodeId);
  if (node === undefined || node.nodeKey !== pending.nodeKey) return startLogin(tailnet, registration, context);
  return decided({ kind: "registered", node });
}

/** Pending registrations of a machine that nobody has decided yet. */
export function waitingOf(tailnet: Tailnet, machineKey: MachineKey): PendingRegistration[] {
  return [...tailnet.pendings.values()].filter((p) => p.machineKey === machineKey && p.state === "waiting");
}

/** The pending registration behind the client's follow-up URL, if it is this client's and still alive. */
function followedUp(
  tailnet: Tailnet,
  { request, machineKey }: Registration,
  now: number,
): PendingRegistration | undefined {
  const id = /\/a\/([0-9A-Za-z]{32})$/.exec(request.followup)?.[1];
  const pending = id === undefined ? undefined : tailnet.pendings.get(id);
  if (pending === undefined || pending.machineKey !== machineKey || pending.nodeKey !== request.nodeKey)
    return undefined;
  return pending.expiresAt > now ? pending : undefined;
}

function startLogin(tailnet: Tailnet, registration: Registration, context: CommandContext): Decision<RegisterResult> {
  const pending = newPending(registration, context);
  const earlier = waitingOf(tailnet, registration.machineKey);
  // A client that asks for the very same again keeps its page, which a person may have open. A request that differs
  // gets a new one: nobody shall approve what the page did not show.
  const same = earlier.find((other) => other.expiresAt > context.now && isSameRequest(other, pending));
  if (same !== undefined) return decided({ kind: "login", pendingId: same.id });
  const changes: Change[] = [...earlier, ...overflow(tailnet, earlier.length)].map(({ id }) => ({
    type: "pending-removed",
    id,
  }));
  return decided({ kind: "login", pendingId: pending.id }, [...changes, { type: "pending-put", pending }]);
}

function newPending(registration: Registration, context: CommandContext): PendingRegistration {
  return {
    id: randomText(context.random, 32),
    ...deviceOf(registration),
    isEphemeral: registration.request.isEphemeral,
    remoteAddress: registration.remoteAddress,
    createdAt: context.now,
    expiresAt: context.now + PENDING_LIFETIME_MS,
    state: "waiting",
    userId: null,
    nodeId: null,
  };
}

function isSameRequest(a: PendingRegistration, b: PendingRegistration): boolean {
  const asked = ({ id: _id, createdAt: _from, expiresAt: _to, hostinfo, ...rest }: PendingRegistration) =>
    JSON.stringify([rest, { ...hostinfo, NetInfo: null }]);
  return asked(a) === asked(b);
}

/** Pending registrations above the limit, so that a flood of logins cannot fill the object: the oldest waiting first. */
function overflow(tailnet: Tailnet, leaving: number): PendingRegistration[] {
  const excess = tailnet.pendings.size - leaving + 1 - MAX_PENDING;
  if (excess <= 0) return [];
  const rank = (pending: PendingRegistration) => (pending.state === "waiting" ? 0 : 1);
  return [...tailnet.pendings.values()].sort((a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt).slice(0, excess);
}
