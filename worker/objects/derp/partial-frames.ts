// Unfinished frames that are too long for their sockets' attachments. Their beginnings lie in the object's storage, in
// parts of several kilobytes; what has come since the last part stays in the attachment. So a frame in many small pieces
// is written once and in few rows.
import { concat } from "../../protocol/bytes.ts";
import { DERP_MAX_INLINE_PARTIAL } from "../../protocol/limits.ts";
import type { Connection } from "./connection.ts";

/** The stored parts of unfinished frames, by connection. */
export class PartialFrames {
  readonly #kv: SyncKvStorage;

  constructor(kv: SyncKvStorage) {
    this.#kv = kv;
  }

  /**
   * Stores what has come of a connection's unfinished frame, if that is much, and forgets the frame before it.
   * @param hasProgressed whether a frame was finished since the last call
   */
  keep(connection: Connection, hasProgressed: boolean): void {
    const { state } = connection;
    if (hasProgressed && state.storedParts > 0) {
      this.delete(state.id);
      state.storedParts = 0;
      connection.storedBytes = 0;
    }
    const { partial, length } = state.decoder;
    if (length - connection.storedBytes <= DERP_MAX_INLINE_PARTIAL) return;
    const key = `${prefixOf(state.id)}${String(state.storedParts).padStart(2, "0")}`;
    this.#kv.put(key, partial.slice(connection.storedBytes, length));
    state.storedParts++;
    connection.storedBytes = length;
  }

  /** The parts of a connection's frame, joined. */
  read(connectionId: number): Uint8Array {
    const parts = this.#kv.list<Uint8Array>({ prefix: prefixOf(connectionId) });
    return concat([...parts].map(([, bytes]) => bytes));
  }

  /** Forgets a connection's frame. */
  delete(connectionId: number): void {
    this.#deleteAll(prefixOf(connectionId));
  }

  /** Forgets all frames, for when no connection is left that could have one. */
  clear(): void {
    this.#deleteAll(PREFIX);
  }

  #deleteAll(prefix: string): void {
    const keys = [...this.#kv.list({ prefix })].map(([key]) => key);
    for (const key of keys) this.#kv.delete(key);
  }
}

const PREFIX = "partial/";

function prefixOf(connectionId: number): string {
  return `${PREFIX}${connectionId}/`;
}
