// Answers that end an upgrade request without a bridge (kubernetes.md C.1 G1): a status, a short text, and for the log
// and the metrics a cause.
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { endLingering } from "./socket-end.ts";

/** Why a bridge does not come about; a label of the metrics. */
export type RefusalCause =
  | "bad-request"
  | "unknown-host"
  | "loop"
  | "draining"
  | "bridge-limit"
  | "dial-limit"
  | "worker-status"
  | "network"
  | "timeout"
  | "client-gone";

/** One refusal. */
export interface Refusal {
  readonly kind: "refused";
  readonly cause: RefusalCause;
  readonly status: number;
  /** One sentence for the client. */
  readonly text: string;
  /** Seconds, or an HTTP date that the Worker gave. */
  readonly retryAfter?: string;
  /** For the log only: an error code or the like, never peer input. */
  readonly detail?: string;
}

/** A refusal for a client. */
export function refusal(cause: RefusalCause, status: number, text: string): Refusal {
  return { kind: "refused", cause, status, text };
}

/** Writes a refusal as the whole answer of a connection and ends it. */
export function writeRefusal(socket: Socket, { status, text, retryAfter }: Refusal): void {
  const body = `${text}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
    "Cache-Control: no-store",
    "Connection: close",
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
  endLingering(socket);
}
