// POST /machine/register (control-protocol.md 4). Mistakes of users are answered with 200 and a text that the client
// shows; only requests that no client sends get another status.
import { toKeyExpired, toLogin, toRegisterError, toRegistered } from "../mapper/to-register-response.ts";
import { fromUtf8 } from "../protocol/bytes.ts";
import { parseJsonObject } from "../protocol/control/json.ts";
import { parseRegisterRequest } from "../protocol/control/register.ts";
import { registerNode } from "../tailnet/commands/registration/register-node.ts";
import { describeRefusal } from "../tailnet/refusal.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { type ControlHandler, type ControlReply, json, text } from "./control-endpoint.ts";

/** Registers, renews, logs out or sends to the login page. */
export const register: ControlHandler = (request, context) => {
  const { runtime } = context;
  const { tailnetName, magicDnsSuffix } = context.deployment;
  const waitSeconds = context.limits.registrations.take(request.machineKey, context.now);
  if (waitSeconds > 0) return text(429, "too many register requests", [["retry-after", String(waitSeconds)]]);
  const registration = {
    request: parseRegisterRequest(parseJsonObject(fromUtf8(request.body))),
    machineKey: request.machineKey,
    remoteAddress: request.remoteAddress,
    tailnetName,
  };
  const outcome = runtime.execute({ kind: "node", nodeKey: registration.request.nodeKey }, (tailnet, command) =>
    registerNode(tailnet, registration, command),
  );
  if (!outcome.ok) return json(toRegisterError(describeRefusal(outcome.refusal)));
  const { result } = outcome;
  switch (result.kind) {
    case "registered":
      return json(toRegistered(runtime.tailnet, result.node, magicDnsSuffix));
    case "key-expired":
    case "logged-out":
      return json(toKeyExpired());
    case "login":
      return json(toLogin(context.loginUrl(result.pendingId)));
    case "wait":
      return { kind: "wait", pendingId: result.pendingId };
  }
};

/** The answer to a request that waited for a pending registration. */
export function registrationReply(tailnet: Tailnet, pendingId: string, magicDnsSuffix: string): ControlReply {
  const pending = tailnet.pendings.get(pendingId);
  const node = pending?.nodeId == null ? undefined : tailnet.nodes.get(pending.nodeId);
  if (node !== undefined) return json(toRegistered(tailnet, node, magicDnsSuffix));
  if (pending?.state === "denied") return json(toRegisterError(describeRefusal({ reason: "login-denied" })));
  // The client asks again with the same follow-up, which then leads to a new login page.
  return text(410, "login expired; asking for a new one");
}
