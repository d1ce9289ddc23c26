// The three ways in which a gateway ends a connection (kubernetes.md C.1 G6): in good order, with an error, and by itself.
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { CLOSE_TIMEOUT_MS } from "../limits.ts";

const NOTHING = Buffer.alloc(0);

/**
 * Sends what was written and a FIN, then reads on until the other side ends too or takes nothing for a while. Closing at
 * once would answer late bytes with a reset, which can overtake the last words.
 */
export function endLingering(socket: Socket): void {
  socket.end();
  socket.resume();
  socket.setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy());
}

/** Sends what was written, then a reset: the other side sees an error, not an end. */
export function resetAfterFlush(socket: Socket): void {
  socket.setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy());
  socket.write(NOTHING, () => {
    // A TLS connection without its closing alert tells the same as a reset.
    if ((socket as TLSSocket).encrypted) socket.destroy();
    else if (!socket.destroyed) socket.resetAndDestroy();
  });
}

/** Listener for "error" where "close" follows and tells what matters; without one the process would end. */
export function ignoreUntilClose(): void {}
