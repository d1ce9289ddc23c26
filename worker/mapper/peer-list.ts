// The peers of one sight with their JSON, kept from one viewer to the next: who asks pays for the peers whose records have
// changed since somebody asked last, and a look at each of the others.
import type { Sight } from "../policy/engine.ts";
import { isSameButForStreams, type Node, type NodeId } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { type PeerRun, runOf } from "./peer-chunks.ts";
import { wireUserId } from "./to-node.ts";

/** A run of ids with what is known of them. */
interface Run {
  readonly number: number;
  readonly ids: NodeId[];
  /** The record whose JSON is kept; undefined until somebody asked who sees it. */
  readonly nodes: (Node | undefined)[];
  /** Replaced, never changed: chunks hold it. */
  peers: string[];
}

/** The encoded peers of one sight. */
export class PeerList {
  /** Owners of all peers, on the wire. */
  readonly userIds: ReadonlySet<number>;
  readonly #tailnet: Tailnet;
  readonly #runs: readonly Run[];

  constructor(tailnet: Tailnet, sight: Sight) {
    this.#tailnet = tailnet;
    const userIds = new Set<number>();
    const runs = new Map<number, Run>();
    for (const id of sight.ids) {
      const node = tailnet.nodes.get(id);
      if (node === undefined) continue;
      userIds.add(wireUserId(node));
      const number = runOf(id);
      const run = runs.get(number) ?? { number, ids: [], nodes: [], peers: [] };
      runs.set(number, run);
      run.ids.push(id);
      run.nodes.push(undefined);
      run.peers.push("");
    }
    this.userIds = userIds;
    this.#runs = [...runs.values()];
  }

  /** The runs of a viewer that has this sight. @param encode what it is shown of a peer */
  runsFor(viewer: NodeId, encode: (peer: Node) => string): PeerRun[] {
    const own = runOf(viewer);
    return this.#runs.flatMap((run) => {
      this.#renew(run, viewer, encode);
      const isOwn = run.number === own;
      const peers = isOwn ? run.peers.filter((_, i) => run.ids[i] !== viewer) : run.peers;
      return peers.length === 0 ? [] : { number: run.number, isOwn, peers };
    });
  }

  #renew(run: Run, viewer: NodeId, encode: (peer: Node) => string): void {
    const { ids, nodes } = run;
    let isCopied = false;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as NodeId;
      const node = id === viewer ? undefined : this.#tailnet.nodes.get(id);
      const known = nodes[i];
      if (node === undefined || node === known) continue;
      nodes[i] = node;
      if (known !== undefined && isSameButForStreams(known, node)) continue; // a herd that comes back costs no JSON
      const json = encode(node);
      if (json === run.peers[i]) continue;
      if (!isCopied) run.peers = run.peers.slice();
      isCopied = true;
      run.peers[i] = json;
    }
  }
}
