// The relays that are measured: ours, by gateway and workerd as `npm start` runs them, and stock derper. Neither speaks
// TLS here, which would cost both about the same and hide the rest.
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { startDerper } from "../../e2e/support/derper.ts";
import { startFlarescale } from "../../e2e/support/flarescale.ts";
import { fetchServerKey, ScriptedNode } from "../../e2e/support/scripted-node.ts";
import { isWorkerd } from "../server-cost.ts";

/** A running relay. */
export interface RelayTarget {
  readonly name: "derper" | "flarescale";
  readonly url: string;
  /** The processes that relay; a gateway of ours among them. */
  readonly pids: readonly number[];
  /** Private keys that it admits. */
  keys(count: number): Promise<Uint8Array[]>;
  stop(): Promise<unknown>;
}

/** Starts stock derper, which admits every key. */
export async function startDerperTarget(): Promise<RelayTarget> {
  const derper = await startDerper({ plain: true, stunPort: false });
  const keys = async (count: number) => Array.from({ length: count }, () => newKey().privateKey);
  return { name: "derper", url: derper.url, pids: [derper.child.pid], keys, stop: () => derper.stop() };
}

/** Starts ours, which admits the keys of nodes. */
export async function startFlarescaleTarget(): Promise<RelayTarget> {
  const flarescale = await startFlarescale();
  const { controlUrl, workerUrl, authKey, pids } = flarescale;
  const serverPublicKey = await fetchServerKey(workerUrl);
  return {
    name: "flarescale",
    url: controlUrl,
    pids: pids.toSorted((a, b) => Number(isWorkerd(b)) - Number(isWorkerd(a))),
    keys: async (count) => {
      const keys: Uint8Array[] = [];
      for (let n = 0; n < count; n++) {
        const { privateKey, publicHex } = newKey();
        const node = new ScriptedNode(`relay-bench-${n}-${publicHex.slice(0, 8)}`);
        node.adoptKey(`nodekey:${publicHex}`);
        await node.connect({ url: workerUrl, via: "worker", serverPublicKey });
        await node.register(authKey);
        node.disconnect();
        keys.push(privateKey);
      }
      return keys;
    },
    stop: () => flarescale.stop(),
  };
}

function newKey(): { readonly privateKey: Uint8Array; readonly publicHex: string } {
  const { privateKey } = generateKeyPairSync("x25519");
  const raw = (part: "d" | "x", key = privateKey) =>
    Buffer.from(key.export({ format: "jwk" })[part] ?? "", "base64url");
  return { privateKey: raw("d"), publicHex: raw("x", createPublicKey(privateKey)).toString("hex") };
}
