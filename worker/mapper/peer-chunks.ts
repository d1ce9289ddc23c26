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

/** Ids of one chunk: 2 to the power of this. Few make many frames, many make a change costly for all who come after. */
const CHUNK_BITS = 6;
/** How many views of one chunk are kept, for policies that show different peers to different nodes. */
const VIEWS_MAX = 8;

/** A chunk as one set of viewers sees it. */
class PeerChunk implements Segment {
  readonly isShared: boolean;
  readonly peers: readonly string[];
  readonly #isFirst: boolean;

  constructor(peers: readonly string[], isFirst: boolean, isShared: boolean) {
    this.peers = peers;
    this.#isFirst = isFirst;
    this.isShared = isShared;
  }

  text(): string {
    return (this.#isFirst ? "" : ",") + this.peers.join(",");
  }

  holds(peers: readonly string[], isFirst: boolean): boolean {
    if (isFirst !== this.#isFirst) return false;
    // The same list nearly always, or one of the same strings, neither of which costs a comparison of text.
    return (
      peers === this.peers || (peers.length === this.peers.length && peers.every((peer, i) => peer === this.peers[i]))
    );
  }
}

/** A run of peers as a viewer sees it; the same list for all viewers that see the same of it, but for its own run. */
export interface PeerRun {
  readonly number: number;
  readonly isOwn: boolean;
  /** JSON of the peers in order; not empty, and never changed. */
  readonly peers: readonly string[];
}

/** The chunks of one tailnet that were met lately. */
export class PeerChunks {
  readonly #views = new Map<number, PeerChunk[]>();

  /** Makes runs, in order, the segments of a JSON list. */
  cut(runs: readonly PeerRun[]): Segment[] {
    return runs.map(({ number, isOwn, peers }, i) =>
      isOwn ? new PeerChunk(peers, i === 0, false) : this.#shared(number, peers, i === 0),
    );
  }

  #shared(number: number, peers: readonly string[], isFirst: boolean): Segment {
    const views = this.#views.get(number) ?? [];
    this.#views.set(number, views);
    const known = views.find((view) => view.holds(peers, isFirst));
    if (known !== undefined) return known;
    const chunk = new PeerChunk(peers, isFirst, true);
    if (views.unshift(chunk) > VIEWS_MAX) views.pop();
    return chunk;
  }
}

/** Number of the run that a node is in. */
export function runOf(id: NodeId): number {
  return Math.floor(id / 2 ** CHUNK_BITS);
}
