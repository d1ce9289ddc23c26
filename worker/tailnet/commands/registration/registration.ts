// What a register request asks with what its connection knows, and what may become of it.
import type { RegisterRequest } from "../../../protocol/control/register.ts";
import type { MachineKey } from "../../../protocol/keys.ts";
import type { Node } from "../../entities/node.ts";

/** A register request with what the connection knows. */
export interface Registration {
  readonly request: RegisterRequest;
  readonly machineKey: MachineKey;
  readonly remoteAddress: string;
  /** Name of this tailnet, for requests that insist on one. */
  readonly tailnetName: string;
}

/** What a registration says of its device, as logins and pages keep it. */
export function deviceOf({ request, machineKey }: Registration) {
  return {
    machineKey,
    nodeKey: request.nodeKey,
    oldNodeKey: request.oldNodeKey,
    tailnetLockKey: request.tailnetLockKey,
    hostinfo: request.hostinfo,
    capabilityVersion: request.version,
  };
}

/** What to answer. */
export type RegisterResult =
  | { readonly kind: "registered"; readonly node: Node }
  /** The client must make a new node key and come again. */
  | { readonly kind: "key-expired" }
  | { readonly kind: "logged-out" }
  /** Show the login page of this pending registration. */
  | { readonly kind: "login"; readonly pendingId: string }
  /** Nothing is decided yet: hold the answer until this pending registration is. */
  | { readonly kind: "wait"; readonly pendingId: string };
