// Who may use the relay: whoever holds a node key of the tailnet that it came for. The tailnet is asked at each login and a yes is kept for
// a minute, which takes the load off a wave of reconnections; a no is never kept, because a node that has just registered
// connects at once. The tailnet calls back when it takes a permission away (DerpRegionObject.closeConnectionsOf).
import type { NodeKey } from "../../protocol/keys.ts";

const KEPT_MS = 60_000;
const MAX_KEPT = 10_000;

/** Asks a tailnet, by the id of its object, whether the holder of a node key may use the relay. */
export type AskTailnet = (tailnetId: string, nodeKey: NodeKey) => Promise<boolean>;

interface Permission {
  readonly tailnetId: string;
  readonly untilMs: number;
}

/** Decides on logins. */
export class Admission {
  readonly #ask: AskTailnet;
  readonly #permissions = new Map<NodeKey, Permission>();
  #revocations = 0;

  constructor(ask: AskTailnet) {
    this.#ask = ask;
  }

  /** Tells whether a node of a tailnet may use the relay. Rejects when the tailnet cannot be asked. */
  async allows(tailnetId: string, nodeKey: NodeKey): Promise<boolean> {
    const known = this.#permissions.get(nodeKey);
    if (known?.tailnetId === tailnetId && known.untilMs > Date.now()) return true;
    this.#permissions.delete(nodeKey);
    let revocations: number;
    do {
      // A permission may be taken away while the answer that still granted it is under way.
      revocations = this.#revocations;
      if (!(await this.#ask(tailnetId, nodeKey))) return false;
    } while (revocations !== this.#revocations);
    if (this.#permissions.size >= MAX_KEPT) this.#permissions.clear();
    this.#permissions.set(nodeKey, { tailnetId, untilMs: Date.now() + KEPT_MS });
    return true;
  }

  /** Takes back what was said of a node key, also to those who are asking just now. */
  revoke(nodeKey: NodeKey): void {
    this.#revocations++;
    this.#permissions.delete(nodeKey);
  }
}
