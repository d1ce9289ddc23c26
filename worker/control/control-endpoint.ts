// The endpoints inside Noise: what a handler gets and what it may answer (control-protocol.md 4–6). Each endpoint is
// one file of this folder; dispatch.ts finds it.

import type { Deployment } from "../mapper/deployment.ts";
import { EMPTY, utf8 } from "../protocol/bytes.ts";
import type { MachineKey, NodeKey } from "../protocol/keys.ts";
import type { TailnetRuntime } from "../runtime/tailnet-runtime.ts";
import type { TokenIssuer } from "../runtime/token-issuer.ts";
import type { ControlLimits } from "./rate-limit.ts";

/** A request that has arrived whole, with what the connection proves of its sender. */
export interface ControlRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
  readonly machineKey: MachineKey;
  /** A hint: the gateway's address when one is between. */
  readonly remoteAddress: string;
}

/** What handlers work with. */
export interface ControlContext {
  readonly runtime: TailnetRuntime;
  readonly deployment: Deployment;
  readonly tokens: TokenIssuer;
  /** Issuer of identity tokens: the origin under which its documents lie. */
  readonly issuer: string;
  readonly now: number;
  readonly limits: ControlLimits;
  /** URL of the login page of a pending registration. */
  loginUrl(pendingId: string): string;
  /** URL of the page where a login over SSH is confirmed. */
  sshCheckUrl(checkId: string): string;
}

/** What becomes of a request's stream. */
export type ControlReply =
  | {
      readonly kind: "response";
      readonly status: number;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: Uint8Array;
    }
  /** Stay open and follow the node's netmap, beginning with `first`. */
  | {
      readonly kind: "map-stream";
      readonly nodeId: number;
      readonly nodeKey: NodeKey;
      readonly omitsPeers: boolean;
      readonly first: () => Uint8Array;
    }
  /** Stay open until the pending registration is decided. */
  | { readonly kind: "wait"; readonly pendingId: string }
  /** Stay open until the login over SSH is confirmed or not. */
  | { readonly kind: "wait-for-ssh-check"; readonly checkId: string };

/** Answers one endpoint. @throws MalformedRequest, answered with 400 */
export type ControlHandler = (request: ControlRequest, context: ControlContext) => ControlReply;

/** A JSON answer. */
export function json(body: unknown, status = 200): ControlReply {
  return {
    kind: "response",
    status,
    headers: [["content-type", "application/json"]],
    body: utf8(JSON.stringify(body)),
  };
}

/** A short text; with an error status, what the client puts into its log. */
export function text(status: number, body: string, headers: readonly (readonly [string, string])[] = []): ControlReply {
  const type = ["content-type", "text/plain; charset=utf-8"] as const;
  return { kind: "response", status, headers: [type, ...headers], body: utf8(body) };
}

/** An answer without a body. */
export function empty(status: number): ControlReply {
  return { kind: "response", status, headers: [], body: EMPTY };
}
