// Answers to requests that waited for a person: a registration's follow-up, a login over SSH.
import type { StreamState } from "../connection/connection-state.ts";
import { answerSSHCheck } from "../tailnet/commands/nodes/check-ssh.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { type ControlReply, json } from "./control-endpoint.ts";
import { registrationReply } from "./register.ts";

/** The answer to what waits on a stream; undefined when there is nothing to hear yet, or nothing waits there. */
export function replyToWaiting(
  tailnet: Tailnet,
  stream: StreamState,
  magicDnsSuffix: string,
  now: number,
): ControlReply | undefined {
  if (stream.kind === "follow-up") return registrationReply(tailnet, stream.pendingId, magicDnsSuffix);
  if (stream.kind !== "ssh-check") return undefined;
  const action = answerSSHCheck(tailnet, tailnet.sshChecks.get(stream.checkId), now);
  return action && json(action);
}
