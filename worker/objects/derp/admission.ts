// Who may use the relay: whoever holds a node key of the tailnet. The tailnet is asked at each login and a yes is kept for
// a minute, which takes the load off a wave of reconnections; a no is never kept, because a node that has just registered
// connects at once. The tailnet calls back when it takes a permission away (DerpRegionObject.closeConnectionsOf).
import type { NodeKey } from "../../protocol/keys.ts";

const KEPT_MS = 60_000;
const MAX_KEPT = 10_000;

/** Asks the tailnet whether the holder of a node key may use the relay. */
export type AskTailnet = (nodeKey: NodeKey) => Promise<boolean>;

/** Decides on logins. */
export class Admission {
  readonly #ask: AskTailnet;
  readonly #allowedUntilMs = new Map<NodeKey, number>();

  constructor(ask: AskTailnet) {
    this.#ask = ask;
  }

  /** Tells whether a node key may use the relay. Rejects when the tailnet cannot be asked. */
  async allows(nodeKey: NodeKey): Promise<boolean> {
    const untilMs = this.#allowedUntilMs.get(nodeKey);
    if (untilMs !== undefined && untilMs > Date.now()) return true;
    this.#allowedUntilMs.delete(nodeKey);
    if (!(await this.#ask(nodeKey))) return false;
    if (this.#allowedUntilMs.size >= MAX_KEPT) this.#allowedUntilMs.clear();
    this.#allowedUntilMs.set(nodeKey, Date.now() + KEPT_MS);
    return true;
  }

  /** Forgets an answer. */
  forget(nodeKey: NodeKey): void {
    this.#allowedUntilMs.delete(nodeKey);
  }
}
