// Errors of peers that break a protocol. Each code says which layer failed; `wire` says what the peer is told.
// Texts are fixed strings: never peer input, never a key (style.md 3.6).

/** HTTP/2 error codes that we send (RFC 9113 §7). */
export const Http2ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
} as const;
export type Http2ErrorCode = (typeof Http2ErrorCode)[keyof typeof Http2ErrorCode];

/** Stable codes of every protocol failure; a `switch` over them is exhaustive. */
export type ProtocolErrorCode =
  | "malformed-key"
  | "noise-initiation-size"
  | "noise-initiation-type"
  | "noise-initiation-length"
  | "noise-handshake-failed"
  | "noise-record-type"
  | "noise-record-too-big"
  | "noise-record-corrupt"
  | "noise-counter-exhausted"
  | "http2"
  | "derp"
  | "trunk";

/** A peer broke a protocol. Thrown by codecs, caught once by the connection that owns the bytes. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ProtocolErrorCode;
  /** HTTP/2 error code for the GOAWAY that ends the connection; NO_ERROR where HTTP/2 plays no part. */
  readonly http2: Http2ErrorCode;

  constructor(
    code: ProtocolErrorCode,
    detail: string,
    http2: Http2ErrorCode = Http2ErrorCode.NO_ERROR,
    options?: ErrorOptions,
  ) {
    super(detail, options);
    this.code = code;
    this.http2 = http2;
  }
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(x: never): never {
  throw new Error(`unreachable: ${JSON.stringify(x)}`);
}
