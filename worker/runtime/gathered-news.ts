// Gathers news that may wait. When many nodes come back at once, each coming online, each new endpoint is news for all
// the others: told one by one, N nodes cost N² messages. News that may wait (patches, nodes that join) is therefore told at
// once when nothing like it was told just before, and else together with what comes after it, a fraction of a second
// later. Anything that removes or forbids is never held back, and takes along what waits.
//
// Its timer is short, as is that of late-writes.ts, the only other one in a Durable Object here. Should the instance be lost while news waits, a mark
// in storage remains, and the next instance tells everybody what patches can tell of every node, and of nodes that have
// joined since.
import { everythingUntold, firstJoined, gather, urgencyOf } from "../mapper/cheap-news.ts";
import { type Effects, noEffects } from "../tailnet/effects.ts";
import type { NodeId } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";

/** Least time between two rounds, ms; 20 rounds a second keep no one busy in a small tailnet. */
const ROUND_MS = 50;
/** What each listener adds to it: telling one takes about 0.05 ms of CPU, so rounds take a third of it at most. */
const ROUND_PER_LISTENER_MS = 0.15;
/** Set while news waits: `true`, or the first of the nodes that joined. */
const MARK = "news-waits";

/** What the gathering needs. */
export interface NewsPorts {
  readonly kv: SyncKvStorage;
  listeners(): number;
  deliver(effects: Effects, now: number): void;
}

/** News of one tailnet on its way to those it concerns. */
export class GatheredNews {
  readonly #ports: NewsPorts;
  #waiting: Effects | undefined;
  #mark: true | NodeId | undefined;
  #lastRoundAt = Number.NEGATIVE_INFINITY;

  constructor(ports: NewsPorts) {
    this.#ports = ports;
  }

  /** Whether an instance before this one was lost with news that it had not told. */
  static isLost(kv: SyncKvStorage): boolean {
    return kv.get(MARK) !== undefined;
  }

  /** Tells those it concerns, now or with the next round. */
  tell(effects: Effects, now: number): void {
    const urgency = urgencyOf(effects, now);
    if (urgency === "nothing") return;
    const mayWait = urgency === "later";
    if (this.#waiting !== undefined) {
      gather(this.#waiting, effects);
      if (mayWait) this.#putMark(effects);
      else this.#tellWaiting(now);
      return;
    }
    const wait = mayWait ? this.#lastRoundAt + this.#round() - now : 0;
    if (wait > 0) this.#hold(effects, wait);
    else {
      if (mayWait) this.#lastRoundAt = now;
      this.#ports.deliver(effects, now);
    }
  }

  /** Tells everybody what an instance that was lost may not have told. */
  recover(tailnet: Tailnet, now: number): void {
    const mark = this.#ports.kv.get<true | NodeId>(MARK);
    if (mark === undefined) return;
    this.#ports.deliver(everythingUntold(tailnet, mark === true ? undefined : mark), now);
    this.#ports.kv.delete(MARK);
  }

  #round(): number {
    return ROUND_MS + this.#ports.listeners() * ROUND_PER_LISTENER_MS;
  }

  #hold(effects: Effects, wait: number): void {
    this.#waiting = noEffects();
    gather(this.#waiting, effects);
    this.#putMark(effects);
    setTimeout(() => {
      try {
        this.#tellWaiting(Date.now());
      } catch (error) {
        console.error("news was not told:", error);
      }
    }, wait);
  }

  /** Later nodes have higher ids, so that the first is enough to know all that joined. */
  #putMark(effects: Effects): void {
    const mark = typeof this.#mark === "number" ? this.#mark : (firstJoined(effects) ?? true);
    if (mark === this.#mark) return;
    this.#mark = mark;
    this.#ports.kv.put(MARK, mark);
  }

  #tellWaiting(now: number): void {
    const effects = this.#waiting;
    if (effects === undefined) return;
    this.#waiting = undefined;
    this.#mark = undefined;
    this.#lastRoundAt = now;
    this.#ports.deliver(effects, now);
    this.#ports.kv.delete(MARK);
  }
}
