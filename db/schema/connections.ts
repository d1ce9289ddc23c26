// What control connections put aside while their object may vanish.
import { blob, index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * Bytes of control connections that do not fit a socket attachment: request bodies that are still arriving (`in`) and
 * response bodies that the peer's flow control holds back (`out`). Rows live no longer than their socket.
 */
export const streamBytes = sqliteTable(
  "stream_bytes",
  {
    id: integer().primaryKey({ autoIncrement: true }),
    socketId: text("socket_id").notNull(),
    streamId: integer("stream_id").notNull(),
    direction: text().notNull(),
    bytes: blob({ mode: "buffer" }).notNull(),
  },
  (table) => [index("stream_bytes_stream").on(table.socketId, table.streamId, table.direction)],
);
