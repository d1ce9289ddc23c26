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
    return (
      isFirst === this.#isFirst &&
      peers.length === this.peers.length &&
      peers.every((peer, i) => peer === this.peers[i]) // the same string nearly always, which costs no comparison
    );
  }
}

/** The chunks of one tailnet that were met lately. */
export class PeerChunks {
  readonly #views = new Map<number, PeerChunk[]>();

  /** Cuts a viewer's peers, given in ascending order of their ids with their JSON, into segments of a JSON list. */
  cut(viewer: NodeId, peers: readonly { readonly id: NodeId; readonly json: string }[]): Segment[] {
    const segments: Segment[] = [];
    for (let at = 0; at < peers.length; ) {
      const number = numberOf(peers[at]?.id ?? 0);
      const run: string[] = [];
      for (let peer = peers[at]; peer !== undefined && numberOf(peer.id) === number; peer = peers[++at])
        run.push(peer.json);
      const isFirst = segments.length === 0;
      segments.push(
        number === numberOf(viewer) ? new PeerChunk(run, isFirst, false) : this.#shared(number, run, isFirst),
      );
    }
    return segments;
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

function numberOf(id: NodeId): number {
  return Math.floor(id / 2 ** CHUNK_BITS);
}
