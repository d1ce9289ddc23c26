// Who may use the relay: whoever holds a node key of one of our tailnets, or anybody when the relay is open. The tailnets
// are asked at each login and a yes is kept for a minute, which takes the load off a wave of reconnections; a no is never
// kept, because a node that has just registered connects at once. A tailnet calls back when it takes a permission away
// (DerpRegionObject.closeConnectionsOf); should that call be lost, the relay asks again about all who are connected, now
// and then. Questions have a limit, so that logins with made-up keys cost the tailnets little.
import type { RelayPermissions } from "../../platform/tailnets.ts";
import type { NodeKey } from "../../protocol/keys.ts";
import { DERP_QUESTIONS_BURST, DERP_QUESTIONS_PER_SECOND } from "../../protocol/limits.ts";

const KEPT_MS = 60_000;
const MAX_KEPT = 10_000;

/** Asks the tailnets which holders of node keys may use the relay. */
export type AskTailnets = (nodeKeys: readonly NodeKey[]) => Promise<RelayPermissions>;

/** Whether a client may use the relay; `unknown` when that cannot be found out now. */
export type Verdict = "allowed" | "refused" | "unknown";

/** Decides on logins. */
export class Admission {
  readonly #ask: AskTailnets;
  readonly #isOpen: boolean;
  readonly #permissions = new Map<NodeKey, number>();
  #revocations = 0;
  #questions = DERP_QUESTIONS_BURST;
  #askedAtMs = 0;

  constructor(ask: AskTailnets, isOpen: boolean) {
    this.#ask = ask;
    this.#isOpen = isOpen;
  }

  /** Tells whether the holder of a node key may use the relay. Never rejects. */
  async judge(nodeKey: NodeKey): Promise<Verdict> {
    if (this.#isOpen || (this.#permissions.get(nodeKey) ?? 0) > Date.now()) return "allowed";
    this.#permissions.delete(nodeKey);
    if (!this.#mayAsk(Date.now())) return "unknown";
    let revocations: number;
    do {
      // A permission may be taken away while the answer that still granted it is under way.
      revocations = this.#revocations;
      const { allowed, isComplete } = await this.#ask([nodeKey]);
      if (!allowed.has(nodeKey)) return isComplete ? "refused" : "unknown";
    } while (revocations !== this.#revocations);
    if (this.#permissions.size >= MAX_KEPT) this.#permissions.clear();
    this.#permissions.set(nodeKey, Date.now() + KEPT_MS);
    return "allowed";
  }

  /** Those of the node keys whose holders may use the relay no longer; nobody, when that cannot be found out. */
  async recheck(nodeKeys: readonly NodeKey[]): Promise<NodeKey[]> {
    if (this.#isOpen || nodeKeys.length === 0) return [];
    const { allowed, isComplete } = await this.#ask(nodeKeys);
    return isComplete ? nodeKeys.filter((key) => !allowed.has(key)) : [];
  }

  /** Takes back what was said of a node key, also to those who are asking just now. */
  revoke(nodeKey: NodeKey): void {
    this.#revocations++;
    this.#permissions.delete(nodeKey);
  }

  #mayAsk(nowMs: number): boolean {
    const earned = ((nowMs - this.#askedAtMs) / 1000) * DERP_QUESTIONS_PER_SECOND;
    this.#questions = Math.min(DERP_QUESTIONS_BURST, this.#questions + earned);
    this.#askedAtMs = nowMs;
    if (this.#questions < 1) return false;
    this.#questions--;
    return true;
  }
}
