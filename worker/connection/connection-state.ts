// What a control connection is, as plain data. It is the whole truth about the connection: kept in the socket's
// attachment between any two events, so that the object may be evicted there and the client notices nothing
// (platform.md 3.5). Written before the send that it covers.
import type { Http2State } from "../protocol/http2/connection.ts";
import type { MachineKey, NodeKey } from "../protocol/keys.ts";
import type { TransportState } from "../protocol/noise/transport.ts";

/** One control connection. */
export interface ConnectionState {
  /** Random name. */
  readonly id: string;
  readonly openedAt: number;
  /** Capability version of the handshake. */
  readonly version: number;
  /** Proven by the handshake once the first record was opened. */
  readonly machineKey: MachineKey;
  /** Address that asked for the upgrade; a hint when a gateway is between. */
  readonly remoteAddress: string;
  /** Origin of the upgrade request, for links when none is configured. */
  readonly publicOrigin: string;
  readonly noise: TransportState;
  readonly http2: Http2State;
  /** What the open HTTP/2 streams are for. */
  streams: StreamState[];
}

/** Response bytes that the client's windows hold back; they lie in the stream buffer. */
export interface HeldBytes {
  bytes: number;
  /** When the first of them was held back, or the client last took a good piece of them, ms. */
  since: number;
  /** END_STREAM follows the last of them. */
  endsStream: boolean;
}

interface StreamBase {
  readonly id: number;
  held: HeldBytes | undefined;
}

/** A request whose body is still arriving. */
export interface RequestStream extends StreamBase {
  readonly kind: "request";
  readonly method: string;
  readonly path: string;
  readonly limit: number;
  received: number;
  /** Beginning of the body, as far as it is not in the stream buffer. */
  inline: Uint8Array;
  /** Part of the body lies in the stream buffer, before `inline`. */
  isSpilled: boolean;
}

/** A map stream: the node watches its netmap. */
export interface MapStream extends StreamBase {
  readonly kind: "map";
  readonly nodeId: number;
  readonly nodeKey: NodeKey;
  /** The client wants itself and no peers (OmitPeers). */
  readonly omitsPeers: boolean;
}

/** A register request that waits for a person. */
export interface FollowUpStream extends StreamBase {
  readonly kind: "follow-up";
  readonly pendingId: string;
}

/** A login over SSH whose destination waits for a person. */
export interface SSHCheckStream extends StreamBase {
  readonly kind: "ssh-check";
  readonly checkId: string;
}

/** An answered request of which bytes are still held back. */
export interface ResponseStream extends StreamBase {
  readonly kind: "response";
}

/** What one open stream is for. */
export type StreamState = RequestStream | MapStream | FollowUpStream | SSHCheckStream | ResponseStream;
