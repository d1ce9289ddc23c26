// All connections of the relay, found by socket, by node key and by id. After hibernation the index is rebuilt from the
// sockets' attachments by the first event that needs it, not in the constructor.
// Several connections of one node key stand in the order of their activity: the last one receives. So a client that
// reconnects is served on its new connection, and of two devices with the same key each is served while it speaks.
import { concat, EMPTY } from "../../protocol/bytes.ts";
import { keyText } from "../../protocol/derp/frame.ts";
import { Connection, type ConnectionState } from "./connection.ts";
import type { PartialFrames } from "./partial-frames.ts";

/** The connections of one relay. */
export class Connections {
  readonly #bySocket = new Map<WebSocket, Connection>();
  readonly #byId = new Map<number, Connection>();
  readonly #byKey = new Map<string, Connection[]>();
  readonly #partials: PartialFrames;

  /** @param sockets those that survived; their attachments say the rest */
  constructor(sockets: readonly WebSocket[], partials: PartialFrames) {
    this.#partials = partials;
    for (const socket of sockets) this.adopt(socket);
    for (const same of this.#byKey.values()) same.sort((a, b) => a.state.activity - b.state.activity);
    if (this.size === 0) partials.clear(); // what a crash left behind
  }

  /** Takes a socket back into the index; undefined when its connection has ended. */
  adopt(socket: WebSocket): Connection | undefined {
    const state = socket.deserializeAttachment() as ConnectionState | null;
    if (state === null || state.phase === "closed") return undefined;
    const stored = state.storedParts === 0 ? EMPTY : this.#partials.read(state.id);
    const partial = concat([stored, state.decoder.partial]);
    state.decoder = { partial, length: partial.length, skip: state.decoder.skip };
    const connection = new Connection(socket, state, stored.length);
    this.add(connection);
    return connection;
  }

  get size(): number {
    return this.#bySocket.size;
  }

  /** Adds a connection, logged in or not. */
  add(connection: Connection): void {
    this.#bySocket.set(connection.socket, connection);
    this.#byId.set(connection.state.id, connection);
    if (connection.key === "") return;
    const same = this.#byKey.get(connection.key);
    if (same === undefined) this.#byKey.set(connection.key, [connection]);
    else same.push(connection);
  }

  /** Makes a connection that has just been admitted the receiver of its node key. */
  noteLogin(connection: Connection): void {
    const last = this.sameKey(connection.key).at(-1);
    connection.state.activity = last === undefined ? 0 : last.state.activity + 1;
    this.add(connection);
  }

  /** Removes a connection. */
  remove(connection: Connection): void {
    this.#bySocket.delete(connection.socket);
    this.#byId.delete(connection.state.id);
    const others = this.sameKey(connection.key).filter((other) => other !== connection);
    if (others.length === 0) this.#byKey.delete(connection.key);
    else this.#byKey.set(connection.key, others);
  }

  /** Every connection. */
  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#bySocket.values();
  }

  /** The connection of a socket; undefined when it has ended. */
  ofSocket(socket: WebSocket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /** The connection with an id; undefined when it has ended. */
  withId(id: number): Connection | undefined {
    return this.#byId.get(id);
  }

  /** The connections of a node key, least active first. */
  sameKey(key: string): readonly Connection[] {
    return this.#byKey.get(key) ?? [];
  }

  /** The connection that receives for the node key at `at`. */
  receiver(bytes: Uint8Array, at: number): Connection | undefined {
    return this.#byKey.get(keyText(bytes, at))?.at(-1);
  }

  /** Makes a connection that is heard from the receiver of its node key. */
  noteActivity(connection: Connection): void {
    const same = this.#byKey.get(connection.key);
    const last = same?.at(-1);
    if (same === undefined || last === undefined || last === connection) return;
    same.splice(same.indexOf(connection), 1);
    same.push(connection);
    connection.state.activity = last.state.activity + 1;
    connection.isDirty = true;
  }
}
