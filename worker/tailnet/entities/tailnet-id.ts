// The public id of a tailnet, `T…CNTRL`: derived from its public key, which is its identity, so that it needs no storing.
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, utf8 } from "../../protocol/bytes.ts";
import { textOf } from "./secret-token.ts";

/** The public id of the tailnet with a public key. */
export function tailnetIdOf(publicKey: Uint8Array): string {
  return `T${textOf(sha256(concat([utf8("flarescale tailnet id"), publicKey]))).slice(0, 11)}CNTRL`;
}

/** The number that stands for a tailnet's public id where the API wants a number; below 2^48. */
export function numberOf(tailnetId: string): number {
  return sha256(utf8(tailnetId))
    .subarray(0, 6)
    .reduce((number, byte) => number * 256 + byte, 0);
}
