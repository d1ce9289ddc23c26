// Peer lists cut into chunks that viewers share. A chunk is the peers of one run of node ids as one set of viewers sees
// them; all who see the same are given the same chunk, so that whoever sends it compresses it once. Only the chunk that a
// viewer itself would be in is its own (DESIGN.md 3 #8).
import type { NodeId } from "../tailnet/entities/node.ts";

/** A piece of a message; the same object for all messages that hold it, when it is shared. */
export interface Segment {
  readonly isShared: boolean;
  /** Its JSON text, put together when asked for. */
  text(): string;
}

/** Ids of one run: 2 to the power of this. Few make many frames, many make a viewer's own run and every change costly. */
const RUN_BITS = 6;
/** Runs of one span: 2 to the power of this. With four, peers take 1 byte less, and a span seven times as long to make. */
const SPAN_BITS = 1;
/** How often a span is asked for unchanged before it is made one chunk: that costs what its runs cost, once more. */
const SETTLED_AFTER = 32;
/** How many views of one chunk are kept, for policies that show different peers to different nodes. */
const VIEWS_MAX = 8;

/** Peers of one run, or of all runs of a span, as one set of viewers sees them. */
class PeerChunk implements Segment {
  readonly isShared: boolean;
  readonly runs: readonly (readonly string[])[];
  /** How often it was met. */
  met = 0;
  readonly #isFirst: boolean;

  constructor(runs: readonly (readonly string[])[], isFirst: boolean, isShared: boolean) {
    this.runs = runs;
    this.#isFirst = isFirst;
    this.isShared = isShared;
  }

  text(): string {
    return (this.#isFirst ? "" : ",") + this.runs.map((peers) => peers.join(",")).join(",");
  }

  holds(runs: readonly (readonly string[])[], isFirst: boolean): boolean {
    if (isFirst !== this.#isFirst || runs.length !== this.runs.length) return false;
    return this.runs.every((peers, i) => isSame(peers, runs[i] ?? []));
  }
}

/** A run of peers as a viewer sees it; the same list for all viewers that see the same of it, but for its own run. */
export interface PeerRun {
  readonly number: number;
  readonly isOwn: boolean;
  /** JSON of the peers in order; not empty, and never changed. */
  readonly peers: readonly string[];
}

/** Chunks of one tailnet by number of their run or span, each as those see it who asked lately. */
class Views {
  readonly #chunks = new Map<number, PeerChunk[]>();

  /** The chunk of these runs, the same each time that they are the same. */
  meet(number: number, runs: readonly (readonly string[])[], isFirst: boolean): PeerChunk {
    const views = this.#chunks.get(number) ?? [];
    this.#chunks.set(number, views);
    const known = views.find((view) => view.holds(runs, isFirst));
    const chunk = known ?? new PeerChunk(runs, isFirst, true);
    if (known === undefined && views.unshift(chunk) > VIEWS_MAX) views.pop();
    chunk.met += 1;
    return chunk;
  }
}

/**
 * The chunks of one tailnet that were met lately. Long chunks compress better and short ones are made anew at less cost, so
 * a span of runs becomes one chunk when many have asked for it with nothing changed.
 */
export class PeerChunks {
  readonly #runs = new Views();
  readonly #spans = new Views();

  /** Makes runs, in order, the segments of a JSON list. */
  cut(runs: readonly PeerRun[]): Segment[] {
    const spans = Map.groupBy(runs, ({ number }) => Math.floor(number / 2 ** SPAN_BITS));
    return [...spans].flatMap(([number, span], i) => this.#cutSpan(number, span, i === 0));
  }

  #cutSpan(number: number, span: readonly PeerRun[], isFirst: boolean): Segment[] {
    if (span.length > 1 && !span.some(({ isOwn }) => isOwn)) {
      const peers = span.map((run) => run.peers);
      const whole = this.#spans.meet(number, peers, isFirst);
      if (whole.met > SETTLED_AFTER) return [whole];
    }
    return span.map((run, i) => this.#cutRun(run, isFirst && i === 0));
  }

  #cutRun({ number, isOwn, peers }: PeerRun, isFirst: boolean): Segment {
    return isOwn ? new PeerChunk([peers], isFirst, false) : this.#runs.meet(number, [peers], isFirst);
  }
}

/** The same list nearly always, or one of the same strings, neither of which costs a comparison of text. */
function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((peer, i) => peer === b[i]));
}

/** Number of the run that a node is in. */
export function runOf(id: NodeId): number {
  return Math.floor(id / 2 ** RUN_BITS);
}
