// What a trunk is, as bytes for the attachment of its one socket: who opened it, and of each channel the credit and the
// state of the connection (../state-codec.ts). States that do not fit lie in storage (stored-states.ts).
import { CompactReader, CompactWriter } from "../compact-bytes.ts";

const VERSION = 1;

/** One trunk, its channels aside. */
export interface TrunkState {
  /** Random name. */
  readonly id: string;
  /** Address that asked for the upgrade. */
  readonly remoteAddress: string;
  /** Origin of the upgrade request, for links when none is configured. */
  readonly publicOrigin: string;
  /** Highest channel number that was asked for; none is given twice. */
  highestChannel: number;
  /** When the last channel closed, or the trunk was opened; means nothing while there are channels. */
  emptySince: number;
}

/** One channel as it is stored. */
export interface ChannelRecord {
  readonly number: number;
  /** Bytes that may still be sent to the client. */
  readonly credit: number;
  /** Encoded state of its connection; undefined when it lies in storage. */
  readonly state: Uint8Array | undefined;
}

const writer = new CompactWriter();

// [u8 version][text remoteAddress][text publicOrigin][count highestChannel][count emptySince]
// [count channels] ([count number][count credit][u8 lies in storage][bytes state, unless it does])*
/** Encodes a trunk without its name, by which the socket is known. */
export function encodeTrunk(trunk: TrunkState, channels: readonly ChannelRecord[]): Uint8Array {
  writer.clear();
  writer.byte(VERSION);
  writer.text(trunk.remoteAddress);
  writer.text(trunk.publicOrigin);
  writer.count(trunk.highestChannel);
  writer.count(trunk.emptySince);
  writer.count(channels.length);
  for (const { number, credit, state } of channels) {
    writer.count(number);
    writer.count(credit);
    writer.byte(state === undefined ? 1 : 0);
    if (state !== undefined) writer.bytes(state);
  }
  return writer.written();
}

/** Decodes a trunk; keeps no view on the bytes. @throws Error when they are none of this version */
export function decodeTrunk(id: string, bytes: Uint8Array): { trunk: TrunkState; channels: ChannelRecord[] } {
  const reader = new CompactReader(bytes);
  if (reader.byte() !== VERSION) throw new Error("trunk has another version");
  const trunk = {
    id,
    remoteAddress: reader.text(),
    publicOrigin: reader.text(),
    highestChannel: reader.count(),
    emptySince: reader.count(),
  };
  const channels = Array.from({ length: reader.count() }, () => ({
    number: reader.count(),
    credit: reader.count(),
    state: reader.flags(1) === 1 ? undefined : reader.bytes(),
  }));
  reader.end();
  return { trunk, channels };
}

/** Most bytes that an encoded trunk takes beside the states of its connections. */
export function overheadOf({ remoteAddress, publicOrigin }: TrunkState, channels: number): number {
  const texts = 2 * 5 + 2 * (remoteAddress.length + publicOrigin.length); // UTF-16 at worst
  return 1 + texts + 5 + 8 + 1 + channels * (5 + 3 + 1 + 3);
}

/** Which of the states, by their lengths, must lie elsewhere so that the others fit: the longest, as few as possible. */
export function whichDoNotFit(lengths: readonly number[], room: number): ReadonlySet<number> {
  let total = 0;
  for (const length of lengths) total += length;
  const out = new Set<number>();
  if (total <= room) return out;
  const longestFirst = lengths.map((length, index) => ({ length, index })).sort((a, b) => b.length - a.length);
  for (const { length, index } of longestFirst) {
    if (total <= room) break;
    out.add(index);
    total -= length;
  }
  return out;
}
