// All bridges of a gateway: their number, traffic and ends, for limits, metrics, the heartbeat and the drain.
import { HEARTBEAT_MS } from "../limits.ts";
import type { DialLimiter } from "../upstream/dial-limiter.ts";

/** `control` and `derp` are native clients, `websocket` are JS clients of either. */
export const BRIDGE_KINDS = ["control", "derp", "websocket"] as const;
export type BridgeKind = (typeof BRIDGE_KINDS)[number];

/** Why a bridge ended; a label of the metrics. */
export type EndCause =
  | "client-closed"
  | "client-reset"
  | "client-stalled"
  | "worker-closed"
  | "worker-error"
  | "worker-silent"
  | "worker-violation"
  | "drain";

/** One client joined to one WebSocket of the Worker, or to one channel of a trunk. */
export interface Bridge {
  readonly kind: BridgeKind;
  /** Bytes that wait in this process, both directions. */
  readonly bufferedBytes: number;
  /** Called every few seconds (HEARTBEAT_MS): the bridge checks its peers when their time has come. */
  beat(nowMs: number): void;
  /** Ends both sides in good order. */
  drain(): void;
}

/** Bytes carried, counted where they are read. */
export interface Traffic {
  toWorker: number;
  toClient: number;
}

/** The bridges that stand, and the totals of all that ever stood. */
export class Bridges {
  readonly traffic: Readonly<Record<BridgeKind, Traffic>> = {
    control: { toWorker: 0, toClient: 0 },
    derp: { toWorker: 0, toClient: 0 },
    websocket: { toWorker: 0, toClient: 0 },
  };
  readonly #open = new Map<Bridge, number>();
  readonly #limiter: DialLimiter;
  readonly #onEnd: (bridge: Bridge, cause: EndCause, ageMs: number) => void;
  readonly #heartbeat: NodeJS.Timeout;

  /** @param onBeat called at every heartbeat, for what else must be looked after: a timer of its own would wake the process */
  constructor(
    limiter: DialLimiter,
    onEnd: (bridge: Bridge, cause: EndCause, ageMs: number) => void,
    onBeat: (nowMs: number) => void,
  ) {
    this.#limiter = limiter;
    this.#onEnd = onEnd;
    this.#heartbeat = setInterval(() => this.#beat(onBeat), HEARTBEAT_MS).unref();
  }

  /** How many stand. */
  get size(): number {
    return this.#open.size;
  }

  /** Those that stand; safe to end some while going through them. */
  [Symbol.iterator](): Iterator<Bridge> {
    return this.#open.keys();
  }

  /** Takes in a bridge that has just been made. */
  add(bridge: Bridge): void {
    this.#open.set(bridge, performance.now());
  }

  /** Lets go of a bridge that has ended. */
  end(bridge: Bridge, cause: EndCause): void {
    const openedAt = this.#open.get(bridge);
    if (openedAt === undefined) return;
    this.#open.delete(bridge);
    if (cause === "worker-closed" || cause === "worker-error") this.#limiter.noteDrop(this.#open.size);
    this.#onEnd(bridge, cause, performance.now() - openedAt);
  }

  /** Stops the heartbeat. */
  close(): void {
    clearInterval(this.#heartbeat);
  }

  #beat(onBeat: (nowMs: number) => void): void {
    const now = performance.now();
    for (const bridge of this.#open.keys()) bridge.beat(now);
    onBeat(now);
  }
}
