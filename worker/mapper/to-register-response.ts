// Register result or refusal → RegisterResponse (control-protocol.md 4.3). Every answer has status 200; the client
// shows `Error` to its user.
import { formatTime } from "../protocol/control/json.ts";
import type { RegisterResponse, WireLogin, WireUser } from "../protocol/control/register.ts";
import { type Node, takesPart } from "../tailnet/entities/node.ts";
import { TAGGED_DEVICES_USER_ID } from "../tailnet/entities/user.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { fullName } from "./to-node.ts";

const NOBODY = { ID: 0, DisplayName: "", Created: "0001-01-01T00:00:00Z" };

const EMPTY: RegisterResponse = {
  User: NOBODY,
  Login: { ID: 0, Provider: "", LoginName: "", DisplayName: "" },
  NodeKeyExpired: false,
  MachineAuthorized: false,
  AuthURL: "",
  NodeKeySignature: null,
  Error: "",
};

/** Success: who the node belongs to. */
export function toRegistered(tailnet: Tailnet, node: Node, magicDnsSuffix: string): RegisterResponse {
  const [user, login] = identityOf(tailnet, node, magicDnsSuffix);
  return { ...EMPTY, User: user, Login: login, MachineAuthorized: takesPart(node) };
}

/**
 * A tagged node's LoginName is its own DNS name: profiles are stored under it, and the Kubernetes operator reads the
 * name from there (kubernetes.md 0.4).
 */
function identityOf(tailnet: Tailnet, node: Node, magicDnsSuffix: string): [WireUser, WireLogin] {
  const user = node.userId === null ? undefined : tailnet.users.get(node.userId);
  if (user === undefined) {
    const names = { LoginName: fullName(node, magicDnsSuffix), DisplayName: "Tagged devices" };
    return [
      { ID: TAGGED_DEVICES_USER_ID, DisplayName: "Tagged devices", Created: formatTime(node.createdAt) },
      { ID: TAGGED_DEVICES_USER_ID, Provider: "flarescale", ...names },
    ];
  }
  const shared = { ID: user.id, DisplayName: user.displayName, ProfilePicURL: user.profilePicUrl };
  return [
    { ...shared, Created: formatTime(user.createdAt) },
    { ...shared, Provider: "flarescale", LoginName: user.loginName },
  ];
}

/** The client must make a new node key; also the answer to a logout. */
export function toKeyExpired(): RegisterResponse {
  return { ...EMPTY, NodeKeyExpired: true };
}

/** A person must visit the URL. */
export function toLogin(authUrl: string): RegisterResponse {
  return { ...EMPTY, AuthURL: authUrl };
}

/** A refusal in words. */
export function toRegisterError(text: string): RegisterResponse {
  return { ...EMPTY, Error: text };
}
