// Who is connected: node → its open map streams, login in progress → requests that wait for it. Built from the
// sockets' attachments when first needed after a wake (4 µs a socket), then kept in step.
import type { NodeId } from "../tailnet/entities/node.ts";
import type { MapStream, StreamState } from "./connection-state.ts";
import type { ControlConnection } from "./control-connection.ts";

/** One stream of one connection. */
export interface StreamRef<S extends StreamState = StreamState> {
  readonly connection: ControlConnection;
  readonly stream: S;
}

/** Open map streams by node, and waiting requests by pending registration or SSH check. */
export class SessionIndex {
  readonly #maps = new Map<NodeId, StreamRef<MapStream>[]>();
  readonly #waiting = new Map<string, StreamRef[]>();

  constructor(connections: Iterable<ControlConnection>) {
    for (const connection of connections) {
      for (const stream of connection.state.streams) this.add({ connection, stream });
    }
  }

  /** Nodes with an open map stream. */
  get watching(): ReadonlyMap<NodeId, readonly StreamRef<MapStream>[]> {
    return this.#maps;
  }

  /** Map streams of a node, oldest first. */
  mapsOf(nodeId: NodeId): readonly StreamRef<MapStream>[] {
    return this.#maps.get(nodeId) ?? [];
  }

  /** Requests that wait for a pending registration or an SSH check. */
  waitingFor(id: string): readonly StreamRef[] {
    return this.#waiting.get(id) ?? [];
  }

  /** Enters a stream; kinds that nobody looks up are passed over. */
  add({ connection, stream }: StreamRef): void {
    if (stream.kind === "map") append(this.#maps, stream.nodeId, { connection, stream });
    else if (stream.kind === "follow-up") append(this.#waiting, stream.pendingId, { connection, stream });
    else if (stream.kind === "ssh-check") append(this.#waiting, stream.checkId, { connection, stream });
  }

  /** Takes a stream out. */
  remove({ connection, stream }: StreamRef): void {
    if (stream.kind === "map") remove(this.#maps, stream.nodeId, connection, stream.id);
    else if (stream.kind === "follow-up") remove(this.#waiting, stream.pendingId, connection, stream.id);
    else if (stream.kind === "ssh-check") remove(this.#waiting, stream.checkId, connection, stream.id);
  }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function remove<K, V extends StreamRef>(map: Map<K, V[]>, key: K, connection: ControlConnection, id: number): void {
  const left = map.get(key)?.filter((ref) => ref.connection !== connection || ref.stream.id !== id) ?? [];
  if (left.length > 0) map.set(key, left);
  else map.delete(key);
}
