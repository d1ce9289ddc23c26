// GET /machine/ssh/action/<source>/to/<destination>?local_user=…: a node whose SSH policy says `holdAndDelegate` asks
// what to do with a login (control-protocol.md 6.4). The first answer sends the person to a page and the node to the
// same path with the check's id; that request stays open until the person has decided.
import { MalformedRequest } from "../protocol/control/json.ts";
import type { SSHAction } from "../protocol/control/ssh.ts";
import { SSH_LOCAL_USER_MAX } from "../protocol/limits.ts";
import { checkSSH, type SSHLogin } from "../tailnet/commands/nodes/check-ssh.ts";
import { TAILNET_ACTOR } from "../tailnet/entities/actor.ts";
import { type ControlContext, type ControlHandler, json, text } from "./control-endpoint.ts";

/** What the path begins with. */
export const SSH_ACTION_PATH = "/machine/ssh/action/";

/** Tells a node what becomes of a login over SSH. */
export const sshAction: ControlHandler = (request, context) => {
  const login = parseLogin(request.path);
  const outcome = context.runtime.execute(TAILNET_ACTOR, (tailnet, command) =>
    checkSSH(tailnet, login, request.machineKey, command),
  );
  if (!outcome.ok) return text(404, "node not found; log in again");
  const { result } = outcome;
  switch (result.kind) {
    case "act":
      return json(result.action);
    case "hold":
      return json(hold(login, result.checkId, context));
    case "wait":
      return { kind: "wait-for-ssh-check", checkId: result.checkId };
  }
};

/**
 * Clients replace the words with `$`, escaped. They ask the control server whatever host stands there (policy.md 16.2),
 * but only over https: their control connection is dialled for no other scheme, whatever the server's own URL has.
 */
function hold({ sourceId, destinationId }: SSHLogin, checkId: string, context: ControlContext): SSHAction {
  const url = context.sshCheckUrl(checkId);
  const path = `${SSH_ACTION_PATH}${sourceId}/to/${destinationId}?local_user=$LOCAL_USER&check=${checkId}`;
  return {
    message: `# Tailscale SSH requires an additional check.\r\n# To authenticate, visit: ${url}\r\n`,
    holdAndDelegate: `https://unused${path}`,
  };
}

function parseLogin(path: string): SSHLogin {
  const url = new URL(path, "https://unused");
  const match = /^(?:from\/)?([1-9]\d{0,15})\/to\/([1-9]\d{0,15})$/.exec(url.pathname.slice(SSH_ACTION_PATH.length));
  const localUser = url.searchParams.get("local_user") ?? "";
  if (match === null || localUser === "" || localUser.length > SSH_LOCAL_USER_MAX)
    throw new MalformedRequest("path must be /machine/ssh/action/<node>/to/<node>?local_user=<account>");
  const checkId = url.searchParams.get("check") ?? "";
  return { sourceId: Number(match[1]), destinationId: Number(match[2]), localUser, checkId };
}
