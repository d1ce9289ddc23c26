// Bytes of HTTP/2 streams that must survive hibernation but do not fit the socket's attachment: request bodies that are
// still arriving and response bodies that the client's windows hold back. Kept in SQLite in pieces; gone with the stream.
import { and, asc, eq } from "drizzle-orm";
import type { Database } from "../../db/open.ts";
import { streamBytes } from "../../db/schema/index.ts";
import { concat } from "../protocol/bytes.ts";

/** Pieces stay well under the platform's 2 MB limit per value. */
const PIECE = 256 << 10;

/** Where the bytes go: `in` request body, `out` response body. */
export type Direction = "in" | "out";

/** The spilled bytes of all connections of one object. */
export class StreamBuffer {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Appends bytes to a stream's buffer. */
  append(socketId: string, streamId: number, direction: Direction, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE) {
      const piece = bytes.slice(at, at + PIECE);
      this.#db
        .insert(streamBytes)
        .values({ socketId, streamId, direction, bytes: piece as never })
        .run();
    }
  }

  /** All bytes of a stream's buffer, in order; the buffer is empty afterwards. */
  take(socketId: string, streamId: number, direction: Direction): Uint8Array {
    const where = this.#stream(socketId, streamId, direction);
    const rows = this.#db.select().from(streamBytes).where(where).orderBy(asc(streamBytes.id)).all();
    this.#db.delete(streamBytes).where(where).run();
    return concat(rows.map((row) => new Uint8Array(row.bytes)));
  }

  /**
   * Hands the pieces in order to `send`, which returns how much of each it took, until it takes less than all.
   * @returns bytes taken
   */
  drain(socketId: string, streamId: number, send: (piece: Uint8Array) => number): number {
    const where = this.#stream(socketId, streamId, "out");
    let total = 0;
    for (;;) {
      const row = this.#db.select().from(streamBytes).where(where).orderBy(asc(streamBytes.id)).limit(1).get();
      if (row === undefined) return total;
      const piece = new Uint8Array(row.bytes);
      const taken = send(piece);
      total += taken;
      if (taken < piece.length) {
        if (taken > 0) {
          const rest = { bytes: piece.slice(taken) as never };
          this.#db.update(streamBytes).set(rest).where(eq(streamBytes.id, row.id)).run();
        }
        return total;
      }
      this.#db.delete(streamBytes).where(eq(streamBytes.id, row.id)).run();
    }
  }

  /** Drops what is left of one stream. */
  dropStream(socketId: string, streamId: number): void {
    const stream = and(eq(streamBytes.socketId, socketId), eq(streamBytes.streamId, streamId));
    this.#db.delete(streamBytes).where(stream).run();
  }

  /** Drops what is left of one socket. */
  dropSocket(socketId: string): void {
    this.#db.delete(streamBytes).where(eq(streamBytes.socketId, socketId)).run();
  }

  /** Drops everything of sockets that no longer exist. */
  keepOnly(socketIds: ReadonlySet<string>): void {
    const known = this.#db.selectDistinct({ id: streamBytes.socketId }).from(streamBytes).all();
    for (const { id } of known) if (!socketIds.has(id)) this.dropSocket(id);
  }

  #stream(socketId: string, streamId: number, direction: Direction) {
    return and(
      eq(streamBytes.socketId, socketId),
      eq(streamBytes.streamId, streamId),
      eq(streamBytes.direction, direction),
    );
  }
}
