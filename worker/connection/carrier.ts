// What carries a control connection's bytes: a WebSocket of its own, or a channel of a trunk. Whichever it is, a state is
// stored before bytes that it covers are sent.
import type { ConnectionState } from "./connection-state.ts";

/** The way to the client of one connection. */
export interface Carrier {
  /** Whether it still takes and gives bytes. */
  readonly isOpen: boolean;
  /** Bytes of response bodies that it takes now, sealed; the rest of them waits until there is room. */
  readonly room: number;
  /**
   * Stores the state and then sends bytes, which may be none; both are done at the latest when the present turn of the
   * object ends. @throws ProtocolError `http2` when it is known at once that the state does not fit
   */
  send(state: ConnectionState, sealed: Uint8Array): void;
  /** Ends the connection after what was sent; the state is its last. */
  close(state: ConnectionState, code: number, reason: string): void;
}
