// Trunks of gateways (docs/decisions/0013-trunks.md): opens channels for clients and hands what comes on them to the
// connections. Whoever breaks the framing loses the trunk; a client that breaks its own protocol loses its channel.
import { handshakeRefusal, type OpenSession, openSession, type SessionPorts } from "../connection/open-session.ts";
import type { StreamBuffer } from "../connection/stream-buffer.ts";
import { StoredStates } from "../connection/trunk/stored-states.ts";
import { Trunk, type TrunkAttachment, type TrunkPorts } from "../connection/trunk/trunk.ts";
import { type ControlLimits, TOO_MANY_HANDSHAKES } from "../control/rate-limit.ts";
import { noiseCrypto } from "../platform/noise-crypto.ts";
import { randomBytes } from "../platform/random.ts";
import { toHex } from "../protocol/bytes.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { decodeTrunkMessage } from "../protocol/trunk/decode.ts";
import { TRUNK_FULL, type TrunkFrame } from "../protocol/trunk/frame.ts";
import type { AlarmClock } from "../runtime/alarm-clock.ts";
import type { ControlStreams } from "./control-streams.ts";

/** What trunks need from the control server. */
export interface TrunksPorts {
  readonly kv: SyncKvStorage;
  readonly buffer: StreamBuffer;
  readonly clock: AlarmClock;
  readonly limits: ControlLimits;
  readonly streams: ControlStreams;
  session(): SessionPorts;
  /** 0, or seconds until a source may make a handshake. */
  handshakeWait(remoteAddress: string, now: number): number;
}

/** Serves the trunks of one object. */
export class ControlTrunks {
  readonly #ports: TrunksPorts;
  readonly #states: StoredStates;
  readonly #trunkPorts: TrunkPorts;

  constructor(ports: TrunksPorts) {
    const { streams, buffer, kv } = ports;
    this.#ports = ports;
    this.#states = new StoredStates(kv);
    this.#trunkPorts = {
      connections: { crypto: noiseCrypto, buffer },
      states: this.#states,
      drop: (connection, code, reason) => streams.drop(connection, code, reason),
      fail: (connection, error) => streams.fail(connection, error),
      broken: (trunk) => this.close(trunk, 1011, "internal error"),
    };
  }

  /** A trunk on a socket that was just accepted. */
  open(socket: WebSocket, remoteAddress: string, publicOrigin: string): Trunk {
    const state = {
      id: toHex(randomBytes(16)),
      remoteAddress,
      publicOrigin,
      highestChannel: 0,
      emptySince: Date.now(),
    };
    this.#ports.clock.startKeepAlives(state.emptySince);
    return Trunk.open(socket, state, this.#trunkPorts);
  }

  /** The trunk of a socket as it was before the object slept. */
  restore(socket: WebSocket, attachment: TrunkAttachment): Trunk {
    return Trunk.restore(socket, attachment, this.#trunkPorts);
  }

  /** Forgets what was stored of trunks that are gone. */
  keepOnly(trunks: readonly Trunk[]): void {
    this.#states.keepOnly(new Set(trunks.map(({ state }) => state.id)));
  }

  /** A message from a gateway. Handshakes in it are answered together, when all of them are done. */
  async receive(trunk: Trunk, message: Uint8Array): Promise<void> {
    const answers: Promise<() => void>[] = [];
    for (const frame of this.#decode(trunk, message)) {
      if (!trunk.isOpen) break;
      if (frame.type === "open") answers.push(...this.#open(trunk, frame.channel, frame.initiation));
      else this.#take(trunk, frame);
    }
    if (answers.length === 0) return;
    for (const answer of await Promise.all(answers)) answer();
  }

  /** Ends a trunk with all of its connections. */
  close(trunk: Trunk, code: number, reason: string): void {
    for (const connection of trunk.close(code, reason)) this.#ports.streams.drop(connection, code, reason);
  }

  #decode(trunk: Trunk, message: Uint8Array): readonly TrunkFrame[] {
    try {
      return decodeTrunkMessage(message, "gateway");
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(trunk, 1002, error.message);
      return [];
    }
  }

  /** @returns what answers the handshake, once it is done; nothing when it is refused before it costs anything */
  #open(trunk: Trunk, number: number, initiation: Uint8Array): Promise<() => void>[] {
    if (!trunk.take(number)) {
      this.close(trunk, 1002, "channel number was used before");
      return [];
    }
    const now = Date.now();
    const wait = this.#ports.handshakeWait(trunk.state.remoteAddress, now);
    if (wait > 0) this.#refuse(trunk, { number, status: 429, retryAfter: wait, text: TOO_MANY_HANDSHAKES });
    else if (trunk.isFull) this.#refuse(trunk, { number, status: 503, text: TRUNK_FULL });
    else {
      trunk.opening.add(number);
      return [this.#answer(trunk, number, initiation)];
    }
    return [];
  }

  /** Answers a handshake. @returns what tells the client; never rejects */
  async #answer(trunk: Trunk, number: number, initiation: Uint8Array): Promise<() => void> {
    const { remoteAddress, publicOrigin } = trunk.state;
    try {
      const origin = { openedAt: Date.now(), remoteAddress, publicOrigin };
      const session = await openSession(this.#ports.session(), initiation, origin);
      return () => this.#accept(trunk, number, session);
    } catch (error) {
      return () => this.#reject(trunk, number, error);
    }
  }

  #accept(trunk: Trunk, number: number, { state, response, greeting }: OpenSession): void {
    if (!trunk.opening.delete(number)) return; // closed meanwhile, or the whole trunk
    trunk.connect(number, state).greet(response, greeting);
    this.#ports.clock.startKeepAlives(state.openedAt);
  }

  #reject(trunk: Trunk, number: number, error: unknown): void {
    if (!trunk.opening.delete(number)) return;
    if (!(error instanceof ProtocolError)) {
      console.error("handshake failed:", error);
      this.#refuse(trunk, { number, status: 500, text: "internal error\n" });
      return;
    }
    trunk.send({ type: "accept", channel: number, bytes: handshakeRefusal(error) });
    this.#closeUnopened(trunk, number, 1008);
  }

  #refuse(trunk: Trunk, refusal: { number: number; status: number; retryAfter?: number; text: string }): void {
    const { number: channel, status, retryAfter = 0, text } = refusal;
    trunk.send({ type: "refuse", channel, status, retryAfter: Math.min(retryAfter, 0xffff), text });
    this.#countRefusal(trunk);
  }

  #closeUnopened(trunk: Trunk, channel: number, code: number): void {
    trunk.send({ type: "close", channel, code });
    this.#countRefusal(trunk);
  }

  /** What is refused costs its asker nothing, and is sent whether or not anybody reads it. */
  #countRefusal(trunk: Trunk): void {
    if (this.#ports.limits.refusals.take(trunk.state.id, Date.now()) > 0) this.close(trunk, 1008, "too many refusals");
  }

  /** Frames for channels that are not open are passed over: the gateway may not know it yet. */
  #take(trunk: Trunk, frame: Exclude<TrunkFrame, { type: "open" }>): void {
    const channel = trunk.channel(frame.channel);
    const connection = channel?.connection;
    if (channel === undefined || connection === undefined) {
      // A gateway keeps back what a client sends before it is accepted.
      const isEarly = trunk.opening.has(frame.channel) && frame.type !== "credit";
      if (isEarly) trunk.opening.delete(frame.channel);
      if (isEarly && frame.type === "data") this.#closeUnopened(trunk, frame.channel, 1002);
      return;
    }
    switch (frame.type) {
      case "data":
        this.#ports.streams.receive(connection, frame.bytes);
        return;
      case "close":
        channel.abandon();
        this.#ports.streams.drop(connection, 1000, "");
        return;
      case "credit":
        if (channel.addCredit(frame.bytes)) this.#ports.streams.resume(connection);
        else this.close(trunk, 1002, "more credit than the window");
        return;
      case "accept":
      case "refuse":
        return; // decoding has refused what a gateway does not send
    }
  }
}
