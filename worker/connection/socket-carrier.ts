// A WebSocket that carries one control connection, as browsers and WASM clients have it. The state lies in its attachment.
import { Http2ErrorCode, ProtocolError } from "../protocol/errors.ts";
import { ATTACHMENT_MAX, WEBSOCKET_MAX_SEND } from "../protocol/limits.ts";
import type { Carrier } from "./carrier.ts";
import type { ConnectionState } from "./connection-state.ts";

/** A socket of one connection. */
export class SocketCarrier implements Carrier {
  readonly room = Number.POSITIVE_INFINITY;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Most of what is sent is short, and goes to every listener: a view less for each is worth the question. */
  send(state: ConnectionState, sealed: Uint8Array): void {
    this.#attach(state);
    if (sealed.length <= WEBSOCKET_MAX_SEND) {
      if (sealed.length > 0) this.#socket.send(sealed);
      return;
    }
    for (let at = 0; at < sealed.length; at += WEBSOCKET_MAX_SEND) {
      this.#socket.send(sealed.subarray(at, at + WEBSOCKET_MAX_SEND));
    }
  }

  close(state: ConnectionState, code: number, reason: string): void {
    this.#attach(state);
    this.#socket.close(code, reason);
  }

  #attach(state: ConnectionState): void {
    try {
      this.#socket.serializeAttachment(state);
    } catch (cause) {
      // Only a peer that fills every buffer at once gets here: its state no longer fits (see ATTACHMENT_MAX).
      throw stateTooLarge({ cause });
    }
  }
}

/** Ends a connection whose peer fills every buffer at once. */
export function stateTooLarge(options?: ErrorOptions): ProtocolError {
  const detail = `connection state is over ${ATTACHMENT_MAX} bytes`;
  return new ProtocolError("http2", detail, Http2ErrorCode.ENHANCE_YOUR_CALM, options);
}
