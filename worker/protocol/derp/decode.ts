// Cuts a byte stream into frames, whatever its division. What has arrived of an unfinished frame is kept in a plain state
// record, so that a connection can be put aside between any two bytes. How long a frame may be is asked at its header,
// before anything of it is kept; frames that mean nothing to us are skipped without being kept.
import { EMPTY, readU32 } from "../bytes.ts";
import { ProtocolError } from "../errors.ts";
import { DERP_MAX_CLIENT_INFO, DERP_MAX_FRAME, DERP_MAX_PACKET, DERP_MAX_PING } from "../limits.ts";
import { FRAME_HEADER_LENGTH, type Frame, FrameType, KEY_LENGTH } from "./frame.ts";

/** Where a stream stands. Serialisable; `partial.slice(0, length)` is all that matters of the buffer. */
export interface DecoderState {
  /** Buffer with the beginning of a frame, of which `length` bytes are filled. */
  partial: Uint8Array;
  length: number;
  /** Bytes still to come of a frame that is being skipped. */
  skip: number;
}

/** The state before the first byte. */
export function newDecoder(): DecoderState {
  return { partial: EMPTY, length: 0, skip: 0 };
}

/**
 * The longest acceptable payload of a frame type; undefined to skip frames of this type.
 * @throws ProtocolError when a frame of this type ends the connection.
 */
export type PayloadLimit = (type: number) => number | undefined;

/** Before login a client may send nothing but its ClientInfo. */
export function limitBeforeLogin(type: number): number {
  if (type === FrameType.CLIENT_INFO) return DERP_MAX_CLIENT_INFO;
  throw new ProtocolError("derp", "first frame is not ClientInfo");
}

/** After login only relays of the mesh may send its frames; what means nothing to us is skipped. */
export function limitAfterLogin(type: number, isMesh = false): number | undefined {
  switch (type) {
    case FrameType.SEND_PACKET:
      return KEY_LENGTH + DERP_MAX_PACKET;
    case FrameType.NOTE_PREFERRED:
      return 1;
    case FrameType.PING:
    case FrameType.PONG:
      return DERP_MAX_PING;
    case FrameType.FORWARD_PACKET:
    case FrameType.WATCH_CONNS:
    case FrameType.CLOSE_PEER:
      if (!isMesh) throw new ProtocolError("derp", "client is no member of the mesh");
      return MESH_LIMITS[type];
    default:
      return undefined;
  }
}

const MESH_LIMITS = {
  [FrameType.FORWARD_PACKET]: 2 * KEY_LENGTH + DERP_MAX_PACKET,
  [FrameType.WATCH_CONNS]: 0,
  [FrameType.CLOSE_PEER]: KEY_LENGTH,
} as const;

/**
 * Takes the next bytes of the stream and yields the frames that are complete now; to be consumed to the end. A frame that
 * lies wholly in `chunk` is a view of it, so the caller must own the chunk. `limit` is asked anew for every frame, so
 * that it may change after any of them.
 * @throws ProtocolError `derp` on a frame longer than its limit, and whatever `limit` throws.
 */
export function* decodeFrames(state: DecoderState, chunk: Uint8Array, limit: PayloadLimit): Generator<Frame, void> {
  let at = 0;
  while (at < chunk.length) {
    const available = chunk.length - at;
    if (state.skip > 0) {
      const skipped = Math.min(state.skip, available);
      state.skip -= skipped;
      at += skipped;
    } else if (state.length > 0 || available < FRAME_HEADER_LENGTH) {
      at += continuePartial(state, chunk, at, limit);
      if (state.length > 0 && state.length === wantedLength(state)) yield takePartial(state);
    } else {
      const length = frameLength(chunk, at, limit);
      if (length === undefined) {
        state.skip = FRAME_HEADER_LENGTH + readU32(chunk, at + 1);
      } else if (length > available) {
        at += append(state, chunk, at, length);
      } else {
        yield { type: chunk[at] as number, bytes: chunk.subarray(at, at + length) };
        at += length;
      }
    }
  }
}

// The length of the frame whose header stands at `at`, undefined when it is to be skipped.
function frameLength(bytes: Uint8Array, at: number, limit: PayloadLimit): number | undefined {
  const max = limit(bytes[at] as number);
  const length = readU32(bytes, at + 1);
  if (length > (max ?? DERP_MAX_FRAME)) throw new ProtocolError("derp", "frame is longer than its type allows");
  return max === undefined ? undefined : FRAME_HEADER_LENGTH + length;
}

// Moves bytes into the partial frame, and judges its header once that is whole. Returns how many were taken.
function continuePartial(state: DecoderState, chunk: Uint8Array, at: number, limit: PayloadLimit): number {
  const hadHeader = state.length >= FRAME_HEADER_LENGTH;
  const taken = append(state, chunk, at, hadHeader ? wantedLength(state) : FRAME_HEADER_LENGTH);
  if (!hadHeader && state.length === FRAME_HEADER_LENGTH && frameLength(state.partial, 0, limit) === undefined) {
    state.skip = readU32(state.partial, 1);
    state.length = 0;
  }
  return taken;
}

function wantedLength(state: DecoderState): number {
  if (state.length < FRAME_HEADER_LENGTH) return FRAME_HEADER_LENGTH;
  return FRAME_HEADER_LENGTH + readU32(state.partial, 1);
}

// The buffer grows with what has arrived, not with what a header promises, and never beyond `wanted`.
function append(state: DecoderState, chunk: Uint8Array, at: number, wanted: number): number {
  const taken = Math.min(wanted - state.length, chunk.length - at);
  const length = state.length + taken;
  if (length > state.partial.length) {
    const grown = new Uint8Array(Math.min(wanted, Math.max(length, 2 * state.partial.length)));
    grown.set(state.partial.subarray(0, state.length));
    state.partial = grown;
  }
  state.partial.set(chunk.subarray(at, at + taken), state.length);
  state.length = length;
  return taken;
}

function takePartial(state: DecoderState): Frame {
  const bytes = state.partial.subarray(0, state.length);
  state.partial = EMPTY;
  state.length = 0;
  return { type: bytes[0] as number, bytes };
}
