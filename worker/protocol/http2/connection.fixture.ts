// What the tests of this folder share: a connection past its preface, and frames as a client writes them.
import { concat, utf8 } from "../bytes.ts";
import { type Http2Event, type Http2State, openConnection, receive } from "./connection.ts";
import { encodeFrame, encodeSettings, encodeSettingsAck } from "./encode.ts";
import { CLIENT_PREFACE, Flag, FrameType } from "./frame.ts";
import type { HeaderField } from "./hpack/table.ts";

export const NOW = 1_700_000_000_000;

/** A connection and what it has to send. */
export interface Peer {
  state: Http2State;
  readonly out: Uint8Array[];
  /** Feeds one chunk, with the state cloned before, as after a hibernation. */
  receive(chunk: Uint8Array, now?: number): Http2Event[];
  /** What was sent since the last call. */
  sent(): Uint8Array;
}

/** A connection whose client has sent nothing yet. */
export function newPeer(): Peer {
  const out: Uint8Array[] = [];
  return {
    state: openConnection(out),
    out,
    receive(chunk, now = NOW) {
      this.state = structuredClone(this.state);
      return receive(this.state, chunk, now, out);
    },
    sent: () => concat(out.splice(0)),
  };
}

/** A connection whose client sent its preface, the given SETTINGS and an acknowledgement of ours; `sent` is empty. */
export function openPeer(settings: readonly (readonly [number, number])[] = []): Peer {
  const peer = newPeer();
  peer.receive(concat([CLIENT_PREFACE, encodeSettings(settings), encodeSettingsAck()]));
  peer.sent();
  return peer;
}

/** A header block of literals behind a table size of 0; strings are shorter than 127. */
export function literals(fields: readonly HeaderField[]): Uint8Array {
  const string = (text: string) => concat([Uint8Array.of(text.length), utf8(text)]);
  return concat([
    Uint8Array.of(0x20),
    ...fields.flatMap(([name, value]) => [Uint8Array.of(0), string(name), string(value)]),
  ]);
}

export const POST: readonly HeaderField[] = [
  [":method", "POST"],
  [":scheme", "https"],
  [":path", "/"],
];

/** HEADERS of a whole block. */
export function headers(streamId: number, endStream: boolean, fields: readonly HeaderField[] = POST): Uint8Array {
  const flags = Flag.END_HEADERS | (endStream ? Flag.END_STREAM : 0);
  return encodeFrame({ type: FrameType.HEADERS, flags, streamId }, literals(fields));
}

/** DATA without padding. */
export function data(streamId: number, payload: Uint8Array, endStream: boolean): Uint8Array {
  return encodeFrame({ type: FrameType.DATA, flags: endStream ? Flag.END_STREAM : 0, streamId }, payload);
}
