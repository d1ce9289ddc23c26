// The relays that are measured: ours, by gateway and workerd as `npm start` runs them, and stock derper. Neither speaks
// TLS here, which would cost both about the same and hide the rest.
import { startDerper } from "../../e2e/support/derper.ts";
import { startFlarescale } from "../../e2e/support/flarescale.ts";
import { admittedKeys, newRelayKey } from "../../e2e/support/relay-keys.ts";
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
  const keys = async (count: number) => Array.from({ length: count }, () => newRelayKey().privateKey);
  return { name: "derper", url: derper.url, pids: [derper.child.pid], keys, stop: () => derper.stop() };
}

/** Starts ours, which admits the keys of nodes. */
export async function startFlarescaleTarget(): Promise<RelayTarget> {
  const flarescale = await startFlarescale();
  const { controlUrl, pids } = flarescale;
  return {
    name: "flarescale",
    url: controlUrl,
    pids: pids.toSorted((a, b) => Number(isWorkerd(b)) - Number(isWorkerd(a))),
    keys: async (count) => (await admittedKeys(flarescale, count)).map(({ privateKey }) => privateKey),
    stop: () => flarescale.stop(),
  };
}
