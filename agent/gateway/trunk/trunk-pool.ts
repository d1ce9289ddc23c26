// The trunks to one Worker. A client goes where one has room; who finds none waits for one that is being dialled, sixteen
// for each, all of them at the same time.
import { HEARTBEAT_MS, TRUNK_ASK_AGAIN_MS, TRUNK_SPARE_MS } from "../limits.ts";
import { type Failure, networkFailure, type Opened } from "../upstream/outcome.ts";
import { CloseCode } from "../websocket/frame.ts";
import type { WebSocketStream } from "../websocket/websocket-stream.ts";
import type { Channel } from "./channel.ts";
import { Trunk, type TrunkOwner } from "./trunk.ts";
import { type DialOutcome, TrunkDial } from "./trunk-dial.ts";

/** The Worker does not know trunks. */
export interface NoTrunks {
  readonly kind: "no-trunks";
}

/** Opens the WebSocket of a trunk. */
export type OpenTrunk = (signal: AbortSignal) => Promise<Opened<WebSocketStream> | Failure>;

/** How often one try of a client may be sent to another trunk. */
const TRUNKS_TRIED_MAX = 3;
const NO_TRUNKS: NoTrunks = { kind: "no-trunks" };
const NOWHERE: Failure = { ...networkFailure(new Error("no trunk takes it")), isPassing: true };

/** Trunks to one Worker. */
export class TrunkPool implements TrunkOwner {
  readonly #openTrunk: OpenTrunk;
  readonly #trunks = new Set<Trunk>();
  /** Those with room; the first is filled first. */
  readonly #roomy = new Set<Trunk>();
  readonly #dials = new Set<TrunkDial>();
  /** Until then it is not asked for trunks. */
  #hasNoneUntil = Number.NEGATIVE_INFINITY;
  #isDraining = false;

  constructor(openTrunk: OpenTrunk) {
    this.#openTrunk = openTrunk;
  }

  /** Trunks that stand. */
  get size(): number {
    return this.#trunks.size;
  }

  /** Control connections on them. */
  get channels(): number {
    let sum = 0;
    for (const { size } of this.#trunks) sum += size;
    return sum;
  }

  /** Opens one control connection; one try. When `signal` aborts, the outcome means nothing. */
  async open(initiation: Uint8Array, signal: AbortSignal): Promise<Opened<Channel> | Failure | NoTrunks> {
    for (let tried = 0; tried < TRUNKS_TRIED_MAX; ) {
      let [trunk] = this.#roomy;
      if (trunk === undefined) {
        if (performance.now() < this.#hasNoneUntil) return NO_TRUNKS;
        const dialled = await this.#dial(signal);
        if (dialled.kind === "refused") return dialled.isUnknownProtocol ? NO_TRUNKS : dialled;
        trunk = dialled.trunk;
      }
      if (signal.aborted) break;
      tried += 1;
      if (!trunk.hasRoom) continue; // others were faster
      const outcome = await trunk.open(initiation, signal);
      if (outcome.kind !== "elsewhere") return outcome;
    }
    return NOWHERE;
  }

  /** Called every few seconds (HEARTBEAT_MS): watches over the trunks and ends those that nobody needs. */
  beat(nowMs: number): void {
    let hasSpare = false;
    for (const trunk of this.#trunks) {
      const idleMs = trunk.beat(nowMs);
      if (idleMs === undefined) continue;
      if (idleMs >= (hasSpare ? HEARTBEAT_MS / 2 : TRUNK_SPARE_MS)) trunk.end(CloseCode.NORMAL);
      hasSpare = true;
    }
  }

  /** From now on trunks end when their last channel does. */
  drain(): void {
    this.#isDraining = true;
    for (const trunk of this.#trunks) this.changed(trunk);
  }

  /** Ends all of them. */
  close(): void {
    for (const dial of this.#dials) dial.cancel();
    for (const trunk of this.#trunks) trunk.end(CloseCode.GOING_AWAY);
  }

  changed(trunk: Trunk): void {
    if (trunk.hasRoom) this.#roomy.add(trunk);
    else this.#roomy.delete(trunk);
    if (this.#isDraining && trunk.size === 0) trunk.end(CloseCode.GOING_AWAY);
  }

  gone(trunk: Trunk): void {
    this.#trunks.delete(trunk);
    this.#roomy.delete(trunk);
  }

  #dial(signal: AbortSignal): Promise<DialOutcome> {
    for (const dial of this.#dials) if (dial.hasRoom) return dial.join(signal);
    const dial: TrunkDial = new TrunkDial(async (end) => {
      const outcome = await this.#openTrunk(end);
      this.#dials.delete(dial);
      return outcome.kind === "opened" ? { kind: "stands", trunk: this.#add(outcome.connection) } : this.#note(outcome);
    });
    this.#dials.add(dial);
    return dial.join(signal);
  }

  #add(stream: WebSocketStream): Trunk {
    const trunk = new Trunk(stream, this);
    this.#trunks.add(trunk);
    this.#roomy.add(trunk);
    trunk.start();
    return trunk;
  }

  #note(failure: Failure): Failure {
    if (failure.isUnknownProtocol) this.#hasNoneUntil = performance.now() + TRUNK_ASK_AGAIN_MS;
    return failure;
  }
}
