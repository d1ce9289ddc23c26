// What a trunk owes its connections whatever they do: states are stored before what they cover is sent, once a turn and in
// few messages, and what goes wrong with one channel is that channel's. The socket and the storage are stand-ins that
// remember the order of things; the whole way through workerd is test/workerd/trunk.test.ts.
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { noiseCrypto } from "../../platform/noise-crypto.ts";
import { concat, EMPTY, readU16, readU24, readU32 } from "../../protocol/bytes.ts";
import { ATTACHMENT_MAX, TRUNK_MAX_SEND } from "../../protocol/limits.ts";
import { decodeTrunkMessage } from "../../protocol/trunk/decode.ts";
import { TRUNK_MAX_PAYLOAD, TRUNK_WINDOW } from "../../protocol/trunk/frame.ts";
import type { ConnectionState } from "../connection-state.ts";
import type { ControlConnection } from "../control-connection.ts";
import { typicalState } from "../state-codec.fixture.ts";
import { decodeConnectionState, encodeConnectionState } from "../state-codec.ts";
import type { StreamBuffer } from "../stream-buffer.ts";
import { StoredStates } from "./stored-states.ts";
import { Trunk, type TrunkAttachment } from "./trunk.ts";
import { decodeTrunk, encodeTrunk } from "./trunk-state.ts";

/** A socket that remembers what was attached and sent, in order. */
class RecordingSocket {
  readyState: number = WebSocket.OPEN;
  attachment: TrunkAttachment | undefined;
  attached = 0;
  readonly sent: Uint8Array[] = [];
  closeCode: number | undefined;
  onSend: (message: Uint8Array) => void = () => {};
  failsToAttach = false;

  serializeAttachment(attachment: TrunkAttachment): void {
    if (this.failsToAttach) throw new Error("no");
    this.attachment = structuredClone(attachment);
    this.attached++;
  }

  send(message: Uint8Array): void {
    this.sent.push(message.slice());
    this.onSend(message);
  }

  close(code: number): void {
    this.closeCode = code;
    this.readyState = WebSocket.CLOSING;
  }
}

/** Bytes that windows hold back, in memory. */
function memoryBuffer(): StreamBuffer {
  const held = new Map<string, Uint8Array[]>();
  const listOf = (id: string, stream: number) => {
    const list = held.get(`${id}/${stream}`) ?? [];
    held.set(`${id}/${stream}`, list);
    return list;
  };
  return {
    append: (id: string, stream: number, _: string, bytes: Uint8Array) => listOf(id, stream).push(bytes.slice()),
    drain: (id: string, stream: number, send: (piece: Uint8Array) => number) => {
      const list = listOf(id, stream);
      let total = 0;
      for (let piece = list[0]; piece !== undefined; piece = list[0]) {
        const taken = send(piece);
        total += taken;
        if (taken < piece.length) {
          list[0] = piece.subarray(taken);
          break;
        }
        list.shift();
      }
      return total;
    },
    dropStream: (id: string, stream: number) => held.delete(`${id}/${stream}`),
  } as unknown as StreamBuffer;
}

function harness() {
  const socket = new RecordingSocket();
  const kv = new Map<string, unknown>();
  const failed: ControlConnection[] = [];
  const broken: Trunk[] = [];
  const ports = {
    connections: { crypto: noiseCrypto, buffer: memoryBuffer() },
    states: new StoredStates({
      get: (key: string) => kv.get(key),
      put: (key: string, value: unknown) => void kv.set(key, value),
      delete: (key: string) => kv.delete(key),
    } as unknown as SyncKvStorage),
    drop: (connection: ControlConnection, code: number, reason: string) => void connection.close(code, reason),
    fail: (connection: ControlConnection) => {
      failed.push(connection);
      connection.close(1002, "protocol error");
    },
    broken: (trunk: Trunk) => {
      broken.push(trunk);
      trunk.close(1011, "internal error");
    },
  };
  const state = { id: "t", remoteAddress: "", publicOrigin: "http://a", highestChannel: 0, emptySince: 0 };
  const trunk = Trunk.open(socket as unknown as WebSocket, state, ports);
  return { socket, kv, failed, broken, trunk, ports };
}

/** A connection with one map stream on stream 5 and wide windows. */
function connect(trunk: Trunk, number: number): ControlConnection {
  trunk.take(number);
  const state: ConnectionState = { ...typicalState(), id: `c${number}` };
  state.noise.txCounter = 0;
  return trunk.connect(number, state);
}

const turn = async () => await Promise.resolve();
const statesIn = ({ trunk }: TrunkAttachment) => decodeTrunk("t", trunk).channels;

/** Counts the records of a stream of whole ones that is cut anywhere. */
class RecordCounter {
  count = 0;
  #rest: Uint8Array = EMPTY;

  add(bytes: Uint8Array): void {
    const stream = concat([this.#rest, bytes]);
    let at = 0;
    for (let end = 3; end <= stream.length; end = at + 3) {
      end += readU16(stream, at + 1);
      if (end > stream.length) break;
      this.count++;
      at = end;
    }
    this.#rest = stream.slice(at);
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** What was sent on each channel, held against what was stored at that time. */
class Ledger {
  readonly problems: string[] = [];
  readonly #records = new Map<number, RecordCounter>();
  readonly #owed = new Map<number, number>();

  note(message: Uint8Array, attachment: TrunkAttachment): void {
    const stored = statesIn(attachment);
    for (const frame of decodeTrunkMessage(message, "worker")) {
      if (frame.type !== "data" && frame.type !== "accept") continue;
      const { channel, bytes } = frame;
      const records = this.#records.get(channel) ?? new RecordCounter();
      records.add(bytes);
      const sent = records.count;
      const owed = (this.#owed.get(channel) ?? 0) + bytes.length;
      this.#records.set(channel, records);
      this.#owed.set(channel, owed);
      const state = stored.find(({ number }) => number === channel)?.state;
      const covered = state === undefined ? sent : decodeConnectionState(state).noise.txCounter;
      if (covered < sent) this.problems.push(`record ${sent} is sent, ${covered} are covered`);
      if (owed > TRUNK_WINDOW) this.problems.push(`${owed} bytes are sent beyond the credit`);
    }
  }

  /** @returns how much of the credit may be given */
  pay(channel: number, bytes: number): number {
    const owed = this.#owed.get(channel) ?? 0;
    this.#owed.set(channel, owed - Math.min(bytes, owed));
    return Math.min(bytes, owed);
  }
}

describe("whatever happens on channels", () => {
  const operation = fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant("push"), channel: fc.nat(2), bytes: fc.nat(150_000) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("credit"), channel: fc.nat(2), bytes: fc.nat(150_000) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("close"), channel: fc.nat(3), bytes: fc.constant(0) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("turn"), channel: fc.constant(0), bytes: fc.constant(0) }) },
  );

  it("nothing is sent that is not covered, beyond the window, or more often than once a turn", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 20, maxLength: 60 }), async (operations) => {
        const { socket, trunk, broken } = harness();
        const connections = [1, 2, 3, 4].map((number) => connect(trunk, number));
        const ledger = new Ledger();
        let sends = 0;
        socket.onSend = (message) => {
          sends++;
          ledger.note(message, socket.attachment as TrunkAttachment);
        };
        const endTurn = async () => {
          const before = socket.attached;
          sends = 0;
          await turn();
          expect(sends).toBeLessThanOrEqual(1); // four windows fit a message
          expect(socket.attached - before).toBeLessThanOrEqual(1);
          if (sends > 0) expect(socket.attached - before).toBe(1);
          expect([ledger.problems, broken]).toEqual([[], []]);
        };
        for (const { type, channel, bytes } of operations) {
          const connection = connections[channel] as ControlConnection;
          if (type === "push") {
            connection.push(5, new Uint8Array(bytes), 0);
            connection.flush();
          } else if (type === "credit") {
            const paid = ledger.pay(channel + 1, bytes);
            expect(trunk.channel(channel + 1)?.addCredit(paid)).not.toBe(false);
            connection.drain(0, 0);
            connection.flush();
          } else if (type === "close") connection.close(1000, "");
          else await endTurn();
        }
        await endTurn();
        const open = connections.flatMap((connection, at) => (connection.isOpen ? [at + 1] : []));
        expect(statesIn(socket.attachment as TrunkAttachment).map(({ number }) => number)).toEqual(open);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a turn", () => {
  it("that tells sixteen connections is one message and one attachment", async () => {
    const { socket, trunk } = harness();
    const connections = Array.from({ length: 16 }, (_, i) => connect(trunk, i + 1));
    for (const connection of connections) connection.flush();
    await turn();
    const before = socket.attached;
    for (const connection of connections) {
      connection.push(5, new Uint8Array(300), 0);
      connection.flush();
    }
    expect(socket.sent).toHaveLength(0);
    await turn();
    expect([socket.sent.length, socket.attached - before]).toEqual([1, 1]);
    expect(decodeTrunkMessage(socket.sent[0] as Uint8Array, "worker")).toHaveLength(16);
  });

  it("with more than a message holds is several, each of whole frames, after one attachment", async () => {
    const { socket, trunk } = harness();
    const connections = Array.from({ length: 16 }, (_, i) => connect(trunk, i + 1));
    for (const connection of connections) {
      connection.push(5, new Uint8Array(200_000), 0);
      connection.flush();
    }
    const before = socket.attached;
    await turn();
    expect(socket.attached - before).toBe(1);
    expect(socket.sent.length).toBeGreaterThanOrEqual(4);
    let total = 0;
    for (const message of socket.sent) {
      expect(message.length).toBeLessThanOrEqual(TRUNK_MAX_SEND);
      for (const frame of decodeTrunkMessage(message, "worker")) {
        if (frame.type !== "data" && frame.type !== "accept") continue;
        expect(frame.bytes.length).toBeLessThanOrEqual(TRUNK_MAX_PAYLOAD);
        total += frame.bytes.length;
      }
    }
    expect(total).toBeGreaterThan(16 * 200_000);
  });

  it("begins with the ACCEPT of a channel, and ends with its CLOSE", async () => {
    const { socket, trunk } = harness();
    const connection = connect(trunk, 1);
    connection.greet(EMPTY, [new Uint8Array(9)]);
    connection.push(5, new Uint8Array(100_000), 0);
    connection.flush();
    connection.close(1001, "");
    await turn();
    const types = socket.sent.flatMap((message) => decodeTrunkMessage(message, "worker")).map(({ type }) => type);
    expect(types).toEqual(["accept", "data", "close"]);
  });

  it("whose attachment cannot be written sends nothing and ends the trunk", async () => {
    const { socket, trunk, broken } = harness();
    const connection = connect(trunk, 1);
    connection.push(5, new Uint8Array(9), 0);
    connection.flush();
    socket.failsToAttach = true;
    vi.spyOn(console, "error").mockImplementation(() => {});
    await turn();
    expect(socket.sent).toEqual([]);
    expect(broken).toEqual([trunk]);
    expect([connection.isOpen, socket.closeCode]).toEqual([false, 1011]);
  });
});

describe("a state", () => {
  const pad = (connection: ControlConnection, bytes: number) => {
    connection.state.noise.pending = new Uint8Array(bytes);
  };

  it("that is too large ends its own connection, and what others are told is sent", async () => {
    const { socket, trunk, failed } = harness();
    const [large, small] = [connect(trunk, 1), connect(trunk, 2)];
    pad(large, ATTACHMENT_MAX);
    for (const connection of [large, small]) {
      connection.push(5, new Uint8Array(9), 0);
      connection.flush();
    }
    await turn();
    expect(failed).toEqual([large]);
    const frames = socket.sent.flatMap((message) => decodeTrunkMessage(message, "worker"));
    expect(frames.map(({ type, channel }) => [type, channel])).toEqual([
      ["accept", 1],
      ["close", 1],
      ["accept", 2],
    ]);
    expect(statesIn(socket.attachment as TrunkAttachment).map(({ number }) => number)).toEqual([2]);
  });

  it("lies in storage while there is no room, and is found there", async () => {
    const { socket, kv, trunk, ports } = harness();
    const connections = [1, 2, 3].map((number) => connect(trunk, number));
    for (const [at, connection] of connections.entries()) pad(connection, 7_000 + at);
    for (const connection of connections) connection.flush();
    await turn();
    expect([...kv.keys()]).toEqual(["trunk/t/3"]);
    const attachment = socket.attachment as TrunkAttachment;
    expect(attachment.trunk.length).toBeLessThanOrEqual(ATTACHMENT_MAX);
    const restored = Trunk.restore(new RecordingSocket() as unknown as WebSocket, attachment, ports);
    expect(restored.connections.map(({ state }) => state)).toEqual(connections.map(({ state }) => state));
    pad(connections[0] as ControlConnection, 0);
    connections[0]?.flush();
    await turn();
    expect([...kv.keys()]).toEqual([]);
    expect(statesIn(socket.attachment as TrunkAttachment).every(({ state }) => state !== undefined)).toBe(true);
  });

  it("that is lost or damaged ends its own connection", async () => {
    const {
      trunk: { state },
      ports,
    } = harness();
    vi.spyOn(console, "error").mockImplementation(() => {});
    const record = (number: number, bytes: Uint8Array | undefined) => ({ number, credit: 9, state: bytes });
    const trunk = encodeTrunk(state, [
      record(1, undefined),
      record(2, Uint8Array.of(250)),
      record(3, encodeConnectionState(typicalState())),
    ]);
    const socket = new RecordingSocket();
    const restored = Trunk.restore(socket as unknown as WebSocket, { id: "t", trunk }, ports);
    await turn();
    expect(restored.connections.map((connection) => connection.state)).toEqual([typicalState()]);
    expect(decodeTrunkMessage(socket.sent[0] as Uint8Array, "worker")).toEqual([
      { type: "close", channel: 1, code: 1011 },
      { type: "close", channel: 2, code: 1011 },
    ]);
    expect(statesIn(socket.attachment as TrunkAttachment).map(({ number }) => number)).toEqual([3]);
  });

  it("of a trunk that another version wrote ends the trunk, so that its gateway opens a new one", () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const socket = new RecordingSocket();
    const attachment = { id: "t", trunk: Uint8Array.of(250, 1, 2) };
    const restored = Trunk.restore(socket as unknown as WebSocket, attachment, harness().ports);
    expect([restored.connections, restored.isOpen, socket.closeCode]).toEqual([[], false, 1012]);
  });
});

it("frames are what the gateway's side reads: type, length, channel", async () => {
  const { socket, trunk } = harness();
  const connection = connect(trunk, 0x01_02);
  connection.push(5, new Uint8Array(1), 0);
  connection.flush();
  await turn();
  const [message = EMPTY] = socket.sent;
  expect([message[0], readU24(message, 1), readU32(message, 4)]).toEqual([2, message.length - 8, 0x01_02]);
});
