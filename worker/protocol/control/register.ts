// POST /machine/register (tailcfg.RegisterRequest and RegisterResponse; control-protocol.md 4). Plain JSON both ways.
import { type NodeKey, parseNodeKey, parseTailnetLockKey, type TailnetLockKey } from "../keys.ts";
import { type Hostinfo, parseHostinfo } from "./hostinfo.ts";
import {
  type JsonObject,
  MalformedRequest,
  readBoolean,
  readInteger,
  readKey,
  readObject,
  readString,
  readTime,
} from "./json.ts";

/** A register request, decoded; keys that are zero on the wire are null here. */
export interface RegisterRequest {
  readonly version: number;
  readonly nodeKey: NodeKey;
  readonly oldNodeKey: NodeKey | null;
  readonly tailnetLockKey: TailnetLockKey | null;
  readonly authKey: string;
  /** Wished key expiry; in the past it means logout; null: no wish. */
  readonly expiresAt: number | null;
  /** AuthURL that the client waits for, or empty. */
  readonly followup: string;
  readonly hostinfo: Hostinfo;
  readonly isEphemeral: boolean;
  /** Wanted tailnet name, `required:` in front when no other will do; empty: any. */
  readonly tailnet: string;
}

/** Decodes a register request. @throws MalformedRequest */
export function parseRegisterRequest(body: JsonObject): RegisterRequest {
  const nodeKey = readKey(body, "NodeKey", parseNodeKey);
  if (nodeKey === null) throw new MalformedRequest("NodeKey is missing");
  const auth = readObject(body, "Auth");
  return {
    version: readInteger(body, "Version") ?? 0,
    nodeKey,
    oldNodeKey: readKey(body, "OldNodeKey", parseNodeKey),
    tailnetLockKey: readKey(body, "NLKey", parseTailnetLockKey),
    authKey: (auth === undefined ? undefined : readString(auth, "AuthKey")) ?? "",
    expiresAt: readTime(body, "Expiry") ?? null,
    followup: readString(body, "Followup") ?? "",
    hostinfo: parseHostinfo(readObject(body, "Hostinfo")),
    isEphemeral: readBoolean(body, "Ephemeral") ?? false,
    tailnet: readString(body, "Tailnet") ?? "",
  };
}

/** User as register responses carry it. */
export interface WireUser {
  readonly ID: number;
  readonly DisplayName: string;
  readonly ProfilePicURL?: string;
  readonly Created: string;
}

/** Login identity as register responses carry it; LoginName must not be empty. */
export interface WireLogin {
  readonly ID: number;
  readonly Provider: string;
  readonly LoginName: string;
  readonly DisplayName: string;
  readonly ProfilePicURL?: string;
}

/** Answer to a register request, always sent with status 200. */
export interface RegisterResponse {
  readonly User: WireUser;
  readonly Login: WireLogin;
  readonly NodeKeyExpired: boolean;
  readonly MachineAuthorized: boolean;
  readonly AuthURL: string;
  readonly NodeKeySignature: null;
  readonly Error: string;
}
