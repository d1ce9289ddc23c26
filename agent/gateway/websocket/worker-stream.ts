// The Worker's side of a tunnel as the tunnel sees it: a byte stream with backpressure and close codes. It is a WebSocket
// of the tunnel's own (websocket-stream.ts) or one channel of a trunk (../trunk/channel.ts).

/** How a stream ended: by the Worker's close code, or ours for what it did. */
export interface StreamEnd {
  /** As in WebSocket close frames. */
  readonly code: number;
  /** What the Worker must not do: send what breaks the protocol, or say nothing for too long. */
  readonly fault?: "violation" | "silence";
}

/** What the Worker does. */
export interface StreamEvents {
  /** Bytes; the memory is overwritten after the call. */
  data(bytes: Uint8Array): void;
  /** The stream is gone. Comes once, after all data. */
  close(end: StreamEnd): void;
}

/** A byte stream to and from the Worker, paused at first. */
export interface WorkerStream {
  readonly isPaused: boolean;
  /** Bytes of the Worker that wait in this process until the stream is resumed. */
  readonly heldBytes: number;
  /** Says who is told; once, before the stream is resumed for the first time. */
  listen(events: StreamEvents): void;
  pause(): void;
  resume(): void;
  /** Sends the parts joined. @param written called when they have left the process, or cannot any more */
  send(parts: readonly Uint8Array[], written: () => void): void;
  /** Called every few seconds (HEARTBEAT_MS): what watches over the Worker itself does so now. */
  beat(nowMs: number): void;
  /** Ends the stream in good order, after what was sent. */
  close(code: number, reason?: string): void;
  /** Ends it at once. */
  terminate(): void;
}
