// A registration that waits for a person: made when a client has no auth key, completed on the approve page
// (control-protocol.md 4.6). Bound to the machine key and node key that asked.
import type { Hostinfo } from "../../protocol/control/hostinfo.ts";
import type { MachineKey, NodeKey, TailnetLockKey } from "../../protocol/keys.ts";

/** A pending registration. Instants are milliseconds since 1970. */
export interface PendingRegistration {
  /** Unguessable part of the AuthURL: 32 letters and digits (190 bits). */
  readonly id: string;
  readonly machineKey: MachineKey;
  readonly nodeKey: NodeKey;
  /** Key that this one replaces; a hint. */
  readonly oldNodeKey: NodeKey | null;
  readonly tailnetLockKey: TailnetLockKey | null;
  readonly hostinfo: Hostinfo;
  readonly capabilityVersion: number;
  readonly isEphemeral: boolean;
  /** Address that asked, for the person who decides; a hint. */
  readonly remoteAddress: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly state: "waiting" | "approved" | "denied";
  /** User who approved it. */
  readonly userId: number | null;
  /** Node that came of it. */
  readonly nodeId: number | null;
}

/** How long a person has to decide. */
export const PENDING_LIFETIME_MS = 30 * 60_000;
/** How long an answer is kept for a client that lost the reply. */
export const ANSWERED_LIFETIME_MS = 15 * 60_000;
/** Pending registrations kept at a time; the oldest waiting one gives way. */
export const MAX_PENDING = 1_000;
