// All connections of the relay, found by socket, by node key and by id. After hibernation the index is rebuilt from the
// sockets' attachments by the first event that needs it, not in the constructor.
// Several connections of one node key stand in the order of their activity: the last one receives. So a client that
// reconnects is served on its new connection, and of two devices with the same key each is served while it speaks.
import { concat, EMPTY } from "../../protocol/bytes.ts";
import { keyText } from "../../protocol/derp/frame.ts";
import { SendBudget } from "../../protocol/derp/send-queue.ts";
import { Connection, type ConnectionState } from "./connection.ts";
import type { PartialFrames } from "./partial-frames.ts";

/** The connections of one relay. */
export class Connections {
  readonly #bySocket = new Map<WebSocket, Connection>();
  readonly #byId = new Map<number, Connection>();
  readonly #byKey = new Map<string, Connection[]>();
  readonly #partials: PartialFrames;
  readonly #pending = new Set<Connection>();
  readonly #watchers = new Set<Connection>();
  /** What all connections share. */
  readonly budget = new SendBudget();

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
    const connection = new Connection(socket, state, stored.length, this.budget);
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
    if (connection.state.isWatching) this.#watchers.add(connection);
    if (connection.key === "") {
      this.#pending.add(connection);
      return;
    }
    this.#pending.delete(connection);
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
    this.#pending.delete(connection);
    this.#watchers.delete(connection);
    connection.release();
    const others = this.sameKey(connection.key).filter((other) => other !== connection);
    if (others.length === 0) this.#byKey.delete(connection.key);
    else this.#byKey.set(connection.key, others);
    const [only] = others;
    if (only === undefined || others.length > 1 || only.state.comebacks === 0) return;
    only.state.comebacks = 0;
    only.setHealth("");
    only.save();
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

  /** The oldest connection that has not logged in, if there are so many of them. */
  oldestPending(count: number): Connection | undefined {
    const [oldest] = this.#pending;
    return this.#pending.size >= count ? oldest : undefined;
  }

  /** The relays of the mesh that want to know who is here. */
  get watchers(): ReadonlySet<Connection> {
    return this.#watchers;
  }

  /** Lets a connection know from now on who comes and goes. */
  watch(connection: Connection): void {
    connection.state.isWatching = true;
    connection.isDirty = true;
    this.#watchers.add(connection);
  }

  /** For each node key the connection that receives for it. */
  *receivers(): Generator<Connection> {
    for (const same of this.#byKey.values()) {
      const receiver = same.at(-1);
      if (receiver !== undefined) yield receiver;
    }
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
    connection.state.comebacks++;
    connection.isDirty = true;
    // A client that reconnects may be heard once more on its old connection. Two devices go on and on.
    if (connection.state.comebacks >= FIGHTING) for (const each of same) warn(each);
  }
}

const FIGHTING = 3;

function warn(connection: Connection): void {
  connection.setHealth("another device is connected with this device's node key; packets reach whichever spoke last");
  if (connection.isDirty) connection.save();
}
