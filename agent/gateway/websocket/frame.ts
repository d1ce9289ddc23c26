// The wire of WebSocket (RFC 6455 §5.2), as far as a client needs it that carries bytes:
//
//   [FIN, 3 reserved bits, opcode 4][MASK, length 7][u16be or u64be length, if the 7 bits say 126 or 127]
//   [4 mask bytes, from clients only][payload, from clients XORed with the mask]

/** Frame types. */
export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** The last frame of its message. */
export const FIN = 0x80;
/** A masked payload. */
export const MASKED = 0x80;
/** Payload of a control frame. */
export const CONTROL_MAX = 125;

/** Closing codes that this end gives or makes up (RFC 6455 §7.4.1). */
export const CloseCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED: 1003,
  /** Never sent: the close frame had no code. */
  NO_STATUS: 1005,
  /** Never sent: there was no close frame. */
  ABNORMAL: 1006,
  TOO_BIG: 1009,
} as const;
