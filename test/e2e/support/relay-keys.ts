// Node keys that our relay admits, without nodes: registered by scripted nodes, for clients of the relay alone.
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import type { Flarescale } from "./flarescale.ts";
import { fetchServerKey, ScriptedNode } from "./scripted-node.ts";

/** A node key, raw and as text. */
export interface RelayKey {
  readonly privateKey: Uint8Array;
  /** `nodekey:…`. */
  readonly nodeKey: string;
}

/** A key that no tailnet knows yet. */
export function newRelayKey(): RelayKey {
  const { privateKey } = generateKeyPairSync("x25519");
  const raw = (part: "d" | "x", key = privateKey) =>
    Buffer.from(key.export({ format: "jwk" })[part] ?? "", "base64url");
  const publicHex = raw("x", createPublicKey(privateKey)).toString("hex");
  return { privateKey: raw("d"), nodeKey: `nodekey:${publicHex}` };
}

/** Keys of nodes that have just joined. */
export async function admittedKeys(
  { workerUrl, authKey }: Pick<Flarescale, "workerUrl" | "authKey">,
  count: number,
): Promise<RelayKey[]> {
  const serverPublicKey = await fetchServerKey(workerUrl);
  const keys: RelayKey[] = [];
  for (let n = 0; n < count; n++) {
    const key = newRelayKey();
    const node = new ScriptedNode(`relay-client-${n}-${key.nodeKey.slice(-8)}`);
    node.adoptKey(key.nodeKey);
    await node.connect({ url: workerUrl, via: "worker", serverPublicKey });
    await node.register(authKey);
    node.disconnect();
    keys.push(key);
  }
  return keys;
}
