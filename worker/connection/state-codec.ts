// The state of a control connection as bytes, for the attachment of its socket, which up to 16 of them share
// (docs/decisions/0013-trunks.md). It is encoded at each send. A structured clone stores the name of each property; here the order
// says which is which, so the version must change with anything below.
import type { Http2State, Http2Stream } from "../protocol/http2/state.ts";
import type { MachineKey, NodeKey } from "../protocol/keys.ts";
import type { TransportState } from "../protocol/noise/transport.ts";
import { CompactReader, CompactWriter } from "./compact-bytes.ts";
import type { ConnectionState, HeldBytes, StreamState } from "./connection-state.ts";

const VERSION = 1;
const KEY_LENGTH = 32;
const MACHINE_PREFIX = "mkey:";
const NODE_PREFIX = "nodekey:";
const PHASES = { preface: 0, settings: 1, open: 2 } as const satisfies Record<Http2State["phase"], number>;
const PHASE_NAMES = Object.keys(PHASES) as Http2State["phase"][];
const Http2Flag = { PHASE: 3, DATA: 4, DATA_ENDS: 8, BLOCK: 16, BLOCK_ENDS: 32, GOING_AWAY: 64 } as const;
const Http2StreamFlag = { BODY_LEFT: 1, ENDED: 2 } as const;
const KINDS = { request: 0, map: 1, "follow-up": 2, "ssh-check": 3, response: 4 } as const satisfies Record<
  StreamState["kind"],
  number
>;
/** OPTION is the one Boolean that a kind has of its own. */
const StreamFlag = { KIND: 7, HELD: 8, HELD_ENDS: 16, OPTION: 32 } as const;

/** All fields, those that may be absent too: what is returned as this names each of them. */
type Whole<T> = { [K in keyof Required<T>]: T[K] };

const writer = new CompactWriter();

// [u8 version][text id][count openedAt][count version][32 machine key][text remoteAddress][text publicOrigin]
// [32 rxKey][32 txKey][count rxCounter][count txCounter][bytes pending] http2 [count] stream*
// count: 7 bits a byte, least significant first. integer: the same, first byte with 6 bits and a sign (0x40).
// text: [count 4 × length in bytes + form: Latin-1, UTF-16, hex][bytes]. bytes: [count length][bytes].
/**
 * Encodes a state; the bytes have a buffer of their own. A connection with one open map stream takes 242 bytes and 2 µs, its
 * structured clone 800 and 7 (Node 24, warm).
 * @throws Error when a number is no integer or a key is malformed: a fault of ours
 */
export function encodeConnectionState(state: ConnectionState): Uint8Array {
  const { streams } = state;
  writer.clear();
  writer.byte(VERSION);
  writer.text(state.id);
  writer.count(state.openedAt);
  writer.count(state.version);
  writer.key(MACHINE_PREFIX, KEY_LENGTH, state.machineKey);
  writer.text(state.remoteAddress);
  writer.text(state.publicOrigin);
  writeNoise(state.noise);
  writeHttp2(state.http2);
  writer.count(streams.length);
  for (let i = 0; i < streams.length; i++) writeStream(streams[i] as StreamState);
  return writer.written();
}

/**
 * Decodes a state, which keeps no view on the bytes.
 * @throws Error for bytes of another version, and for those that are no state; what it takes is in proportion to them
 */
export function decodeConnectionState(bytes: Uint8Array): ConnectionState {
  const version = bytes[0];
  if (version !== VERSION) throw new Error(`connection state has version ${version}, not ${VERSION}`);
  try {
    const reader = new CompactReader(bytes);
    reader.byte();
    const state = readConnection(reader);
    reader.end();
    return state;
  } catch (cause) {
    throw new Error("connection state is damaged", { cause });
  }
}

function readConnection(reader: CompactReader): Whole<ConnectionState> {
  return {
    id: reader.text(),
    openedAt: reader.count(),
    version: reader.count(),
    machineKey: (MACHINE_PREFIX + reader.key(KEY_LENGTH)) as MachineKey,
    remoteAddress: reader.text(),
    publicOrigin: reader.text(),
    noise: readNoise(reader),
    http2: readHttp2(reader),
    streams: readList(reader, readStream),
  };
}

function writeNoise({ rxKey, txKey, rxCounter, txCounter, pending }: TransportState): void {
  if (rxKey.length !== KEY_LENGTH || txKey.length !== KEY_LENGTH) throw new Error("cipher key has the wrong length");
  writer.raw(rxKey);
  writer.raw(txKey);
  writer.count(rxCounter);
  writer.count(txCounter);
  writer.bytes(pending);
}

function readNoise(reader: CompactReader): Whole<TransportState> {
  return {
    rxKey: reader.raw(KEY_LENGTH),
    txKey: reader.raw(KEY_LENGTH),
    rxCounter: reader.count(),
    txCounter: reader.count(),
    pending: reader.bytes(),
  };
}

// [u8 flags][bytes partial][count skip]([count streamId][count left])?([count streamId][bytes][count continuations])?
// [count capacity][count size][count]([text name][text value])* [count tableLimit][count] stream*
// [count highestId][integer sendWindow][integer initialWindow][count used][count × 5 flood]
function writeHttp2(state: Http2State): void {
  const { data, block, table, streams, flood } = state;
  writer.byte(
    PHASES[state.phase] |
      (data === undefined ? 0 : Http2Flag.DATA | (data.endStream ? Http2Flag.DATA_ENDS : 0)) |
      (block === undefined ? 0 : Http2Flag.BLOCK | (block.endStream ? Http2Flag.BLOCK_ENDS : 0)) |
      (state.isGoingAway ? Http2Flag.GOING_AWAY : 0),
  );
  writer.bytes(state.partial);
  writer.count(state.skip);
  if (data !== undefined) {
    writer.count(data.streamId);
    writer.count(data.left);
  }
  if (block !== undefined) {
    writer.count(block.streamId);
    writer.bytes(block.bytes);
    writer.count(block.continuations);
  }
  writer.count(table.capacity);
  writer.count(table.size);
  writer.count(table.entries.length);
  for (const [name, value] of table.entries) {
    writer.text(name);
    writer.text(value);
  }
  writer.count(state.tableLimit);
  writer.count(streams.length);
  for (let i = 0; i < streams.length; i++) writeHttp2Stream(streams[i] as Http2Stream);
  writer.count(state.highestId);
  writer.integer(state.sendWindow);
  writer.integer(state.initialWindow);
  writer.count(state.used);
  writer.count(flood.since);
  writer.count(flood.resets);
  writer.count(flood.pings);
  writer.count(flood.settings);
  writer.count(flood.emptyData);
}

function readHttp2(reader: CompactReader): Whole<Http2State> {
  const flags = reader.flags(0x7f);
  const phase = PHASE_NAMES[flags & Http2Flag.PHASE];
  if (phase === undefined) throw new Error("unknown phase");
  return {
    phase,
    partial: reader.bytes(),
    skip: reader.count(),
    data: flags & Http2Flag.DATA ? readData(reader, (flags & Http2Flag.DATA_ENDS) !== 0) : undefined,
    block: flags & Http2Flag.BLOCK ? readBlock(reader, (flags & Http2Flag.BLOCK_ENDS) !== 0) : undefined,
    table: readTable(reader),
    tableLimit: reader.count(),
    streams: readList(reader, readHttp2Stream),
    highestId: reader.count(),
    sendWindow: reader.integer(),
    initialWindow: reader.integer(),
    used: reader.count(),
    isGoingAway: (flags & Http2Flag.GOING_AWAY) !== 0,
    flood: readFlood(reader),
  };
}

function readData(reader: CompactReader, endStream: boolean): Whole<NonNullable<Http2State["data"]>> {
  return { streamId: reader.count(), left: reader.count(), endStream };
}

function readBlock(reader: CompactReader, endStream: boolean): Whole<NonNullable<Http2State["block"]>> {
  return { streamId: reader.count(), endStream, bytes: reader.bytes(), continuations: reader.count() };
}

function readTable(reader: CompactReader): Whole<Http2State["table"]> {
  return {
    capacity: reader.count(),
    size: reader.count(),
    entries: readList(reader, (from) => [from.text(), from.text()]),
  };
}

function readFlood(reader: CompactReader): Whole<Http2State["flood"]> {
  return {
    since: reader.count(),
    resets: reader.count(),
    pings: reader.count(),
    settings: reader.count(),
    emptyData: reader.count(),
  };
}

// [count id][u8 flags][integer sendWindow][count used][count bodyLeft]?
function writeHttp2Stream(stream: Http2Stream): void {
  const [id, sendWindow, used, bodyLeft, isEnded] = stream;
  writer.count(id);
  writer.byte((bodyLeft === undefined ? 0 : Http2StreamFlag.BODY_LEFT) | (isEnded ? Http2StreamFlag.ENDED : 0));
  writer.integer(sendWindow);
  writer.count(used);
  if (bodyLeft !== undefined) writer.count(bodyLeft);
}

function readHttp2Stream(reader: CompactReader): Http2Stream {
  const id = reader.count();
  const flags = reader.flags(Http2StreamFlag.BODY_LEFT | Http2StreamFlag.ENDED);
  const sendWindow = reader.integer();
  const used = reader.count();
  const bodyLeft = flags & Http2StreamFlag.BODY_LEFT ? reader.count() : undefined;
  return [id, sendWindow, used, bodyLeft, (flags & Http2StreamFlag.ENDED) !== 0];
}

// [u8 kind and flags][count id]([count bytes][count since])?   held; then by kind:
// request:   [text method][text path][count limit][count received][bytes inline]
// map:       [count nodeId][32 node key]
// follow-up: [text pendingId]      ssh-check: [text checkId]      response: nothing
function writeStream(stream: StreamState): void {
  const { held } = stream;
  const isOption = (stream.kind === "request" && stream.isSpilled) || (stream.kind === "map" && stream.omitsPeers);
  writer.byte(
    KINDS[stream.kind] |
      (held === undefined ? 0 : StreamFlag.HELD | (held.endsStream ? StreamFlag.HELD_ENDS : 0)) |
      (isOption ? StreamFlag.OPTION : 0),
  );
  writer.count(stream.id);
  if (held !== undefined) {
    writer.count(held.bytes);
    writer.count(held.since);
  }
  switch (stream.kind) {
    case "map":
      writer.count(stream.nodeId);
      writer.key(NODE_PREFIX, KEY_LENGTH, stream.nodeKey);
      return;
    case "request":
      writer.text(stream.method);
      writer.text(stream.path);
      writer.count(stream.limit);
      writer.count(stream.received);
      writer.bytes(stream.inline);
      return;
    case "follow-up":
      writer.text(stream.pendingId);
      return;
    case "ssh-check":
      writer.text(stream.checkId);
      return;
    case "response":
  }
}

function readStream(reader: CompactReader): StreamState {
  const flags = reader.flags(0x3f);
  const id = reader.count();
  const held = flags & StreamFlag.HELD ? readHeld(reader, (flags & StreamFlag.HELD_ENDS) !== 0) : undefined;
  return readPurpose(reader, flags, id, held);
}

type Of<Kind extends StreamState["kind"]> = Whole<Extract<StreamState, { kind: Kind }>>;

function readPurpose(reader: CompactReader, flags: number, id: number, held: HeldBytes | undefined): StreamState {
  const isOption = (flags & StreamFlag.OPTION) !== 0;
  switch (flags & StreamFlag.KIND) {
    case KINDS.request:
      return {
        kind: "request",
        id,
        held,
        method: reader.text(),
        path: reader.text(),
        limit: reader.count(),
        received: reader.count(),
        inline: reader.bytes(),
        isSpilled: isOption,
      } satisfies Of<"request">;
    case KINDS.map: {
      const nodeId = reader.count();
      const nodeKey = (NODE_PREFIX + reader.key(KEY_LENGTH)) as NodeKey;
      return { kind: "map", id, held, nodeId, nodeKey, omitsPeers: isOption } satisfies Of<"map">;
    }
    case KINDS["follow-up"]:
      return { kind: "follow-up", id, held, pendingId: reader.text() } satisfies Of<"follow-up">;
    case KINDS["ssh-check"]:
      return { kind: "ssh-check", id, held, checkId: reader.text() } satisfies Of<"ssh-check">;
    case KINDS.response:
      return { kind: "response", id, held } satisfies Of<"response">;
  }
  throw new Error("unknown kind of stream");
}

function readHeld(reader: CompactReader, endsStream: boolean): Whole<HeldBytes> {
  return { bytes: reader.count(), since: reader.count(), endsStream };
}

function readList<T>(reader: CompactReader, read: (reader: CompactReader) => T): T[] {
  const list: T[] = [];
  for (let left = reader.count(); left > 0; left--) list.push(read(reader));
  return list;
}
