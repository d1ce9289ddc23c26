// A trunk at work: one socket of a gateway with the channels of up to 16 connections. Whatever changes on them is stored
// and sent once, at the end of the object's turn: one attachment and one message, however many connections were told
// something. Microtasks run before the object can be evicted, so nothing is lost in between; and as the attachment is
// written first, nothing is sent that it does not cover.
import { concat } from "../../protocol/bytes.ts";
import { ATTACHMENT_MAX, TRUNK_MAX_SEND } from "../../protocol/limits.ts";
import { encodeTrunkFrame, TRUNK_MAX_CHANNELS, type TrunkFrame } from "../../protocol/trunk/frame.ts";
import type { ConnectionState } from "../connection-state.ts";
import { type ConnectionPorts, ControlConnection } from "../control-connection.ts";
import { stateTooLarge } from "../socket-carrier.ts";
import { decodeConnectionState, encodeConnectionState } from "../state-codec.ts";
import type { StoredStates } from "./stored-states.ts";
import { type ChannelHost, TrunkChannel, type TrunkParts } from "./trunk-channel.ts";
import {
  type ChannelRecord,
  decodeTrunk,
  encodeTrunk,
  overheadOf,
  type TrunkState,
  whichDoNotFit,
} from "./trunk-state.ts";

/** A gateway has no use for a trunk that has carried nothing for so long. */
const EMPTY_MAX_MS = 60_000;

/** What a trunk needs from its object. */
export interface TrunkPorts {
  readonly connections: ConnectionPorts;
  readonly states: StoredStates;
  /** Ends a connection whose client takes nothing. */
  drop(connection: ControlConnection, code: number, reason: string): void;
  /** Ends a connection that cannot be stored. */
  fail(connection: ControlConnection, error: unknown): void;
  /** Ends the trunk, which cannot be stored. */
  broken(trunk: Trunk): void;
}

/** What lies in the attachment of a trunk's socket. */
export interface TrunkAttachment {
  readonly id: string;
  /** All else, encoded (trunk-state.ts). */
  readonly trunk: Uint8Array;
}

/** One trunk. */
export class Trunk implements ChannelHost {
  readonly state: TrunkState;
  /** Channels whose handshakes are being answered. */
  readonly opening = new Set<number>();
  readonly #socket: WebSocket;
  readonly #ports: TrunkPorts;
  readonly #channels = new Map<number, TrunkChannel>();
  readonly #changed = new Set<TrunkChannel>();
  #frames: TrunkParts[] = [];
  #isDue = false;

  private constructor(socket: WebSocket, state: TrunkState, ports: TrunkPorts) {
    this.#socket = socket;
    this.state = state;
    this.#ports = ports;
  }

  /** A trunk without channels, stored. */
  static open(socket: WebSocket, state: TrunkState, ports: TrunkPorts): Trunk {
    const trunk = new Trunk(socket, state, ports);
    trunk.#store();
    return trunk;
  }

  /** The trunk of a socket as its attachment has it. What another version of the Worker wrote is closed. */
  static restore(socket: WebSocket, { id, trunk: bytes }: TrunkAttachment, ports: TrunkPorts): Trunk {
    try {
      const { trunk: state, channels } = decodeTrunk(id, bytes);
      const trunk = new Trunk(socket, state, ports);
      for (const record of channels) trunk.#restoreChannel(record);
      return trunk;
    } catch (error) {
      console.error("trunk cannot be restored:", error);
      const state = { id, remoteAddress: "", publicOrigin: "", highestChannel: 0, emptySince: 0 };
      const trunk = new Trunk(socket, state, ports);
      trunk.close(1012, "server restarts");
      return trunk;
    }
  }

  /** Whether the socket still takes and gives messages. */
  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Whether it has as many channels as a gateway may open. */
  get isFull(): boolean {
    return this.#channels.size + this.opening.size >= TRUNK_MAX_CHANNELS;
  }

  /** The connections on its channels. */
  get connections(): readonly ControlConnection[] {
    return [...this.#channels.values()].flatMap(({ connection }) => connection ?? []);
  }

  /** Whether it has carried nothing for a minute. */
  isUseless(now: number): boolean {
    const isEmpty = this.#channels.size + this.opening.size === 0;
    return isEmpty && this.state.emptySince + EMPTY_MAX_MS < now;
  }

  /** A channel that is open. */
  channel(number: number): TrunkChannel | undefined {
    return this.#channels.get(number);
  }

  /** Notes that a channel was asked for. @returns false when its number was given before */
  take(number: number): boolean {
    if (number <= this.state.highestChannel) return false;
    this.state.highestChannel = number;
    this.#due();
    return true;
  }

  /** Opens a channel for a connection. */
  connect(number: number, state: ConnectionState): ControlConnection {
    return this.#carry(new TrunkChannel(this, number), state);
  }

  /** Sends a frame for a channel that is not open. */
  send(frame: TrunkFrame): void {
    this.#frames.push([encodeTrunkFrame(frame)]);
    this.#due();
  }

  changed(channel: TrunkChannel): void {
    this.#changed.add(channel);
    this.#due();
  }

  ended(channel: TrunkChannel): void {
    if (this.#channels.delete(channel.number) && this.#channels.size === 0) this.state.emptySince = Date.now();
    if (channel.isInStorage) this.#ports.states.delete(this.state.id, channel.number);
    channel.isInStorage = false;
    this.changed(channel);
  }

  /** Closes the socket; what was not sent is not sent any more. @returns its connections, which nothing carries now */
  close(code: number, reason: string): readonly ControlConnection[] {
    const { connections } = this;
    this.opening.clear();
    for (const channel of [...this.#channels.values()]) channel.abandon();
    this.#changed.clear();
    this.#frames = [];
    if (!this.isOpen) return connections;
    try {
      this.#attach();
    } catch (error) {
      console.error("trunk cannot be stored:", error); // it is closed all the same
    }
    this.#socket.close(code, reason);
    return connections;
  }

  #restoreChannel({ number, credit, state }: ChannelRecord): void {
    const channel = new TrunkChannel(this, number, credit);
    channel.isInStorage = state === undefined;
    try {
      const encoded = state ?? this.#ports.states.get(this.state.id, number);
      if (encoded === undefined) throw new Error("state is not in storage");
      channel.encoded = encoded;
      this.#carry(channel, decodeConnectionState(encoded));
    } catch (error) {
      console.error("channel cannot be restored:", error);
      this.send({ type: "close", channel: number, code: 1011 });
    }
  }

  #carry(channel: TrunkChannel, state: ConnectionState): ControlConnection {
    channel.connection = new ControlConnection(channel, state, this.#ports.connections);
    this.#channels.set(channel.number, channel);
    return channel.connection;
  }

  #due(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      try {
        if (this.isOpen) this.#sendAll();
      } catch (error) {
        console.error("trunk failed:", error);
        this.#ports.broken(this);
      } finally {
        this.#isDue = false;
      }
    });
  }

  #sendAll(): void {
    const changed = this.#store();
    const frames = this.#frames;
    this.#frames = [];
    for (const channel of changed) channel.takeFrames(frames);
    for (const message of messagesOf(frames)) this.#socket.send(message);
  }

  /** Stores everything. @returns the channels that may have something to send */
  #store(): ReadonlySet<TrunkChannel> {
    const changed = new Set<TrunkChannel>();
    // Ending one connection may have something to tell others: a set hands out what is added meanwhile.
    for (const channel of this.#changed) {
      this.#changed.delete(channel);
      changed.add(channel);
      if (channel.isOpen) this.#encode(channel);
    }
    this.#attach();
    return changed;
  }

  #encode(channel: TrunkChannel): void {
    const { connection } = channel;
    if (connection === undefined) return;
    if (channel.isOverdrawn) {
      this.#ports.drop(connection, 1008, "client takes no data");
      return;
    }
    try {
      const encoded = encodeConnectionState(connection.state);
      if (encoded.length > ATTACHMENT_MAX) throw stateTooLarge();
      channel.encoded = encoded;
      channel.isStale = true;
    } catch (error) {
      this.#ports.fail(connection, error);
    }
  }

  #attach(): void {
    const channels = [...this.#channels.values()];
    const lengths = channels.map(({ encoded }) => encoded.length);
    const elsewhere = whichDoNotFit(lengths, ATTACHMENT_MAX - overheadOf(this.state, channels.length));
    const records = channels.map((channel, index) => {
      this.#place(channel, elsewhere.has(index));
      const { number, credit, encoded, isInStorage } = channel;
      return { number, credit, state: isInStorage ? undefined : encoded };
    });
    const attachment: TrunkAttachment = { id: this.state.id, trunk: encodeTrunk(this.state, records) };
    this.#socket.serializeAttachment(attachment);
  }

  #place(channel: TrunkChannel, isElsewhere: boolean): void {
    const { states } = this.#ports;
    if (isElsewhere && (!channel.isInStorage || channel.isStale))
      states.put(this.state.id, channel.number, channel.encoded);
    if (!isElsewhere && channel.isInStorage) states.delete(this.state.id, channel.number);
    channel.isInStorage = isElsewhere;
    channel.isStale = false;
  }
}

/** Frames joined to messages of at most {@link TRUNK_MAX_SEND} bytes; none is longer by itself. */
function messagesOf(frames: readonly TrunkParts[]): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let length = 0;
  for (const frame of frames) {
    const added = frame.reduce((sum, part) => sum + part.length, 0);
    if (length + added > TRUNK_MAX_SEND) {
      messages.push(concat(parts));
      parts = [];
      length = 0;
    }
    parts.push(...frame);
    length += added;
  }
  if (length > 0) messages.push(concat(parts));
  return messages;
}
