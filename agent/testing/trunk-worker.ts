// A stand-in Worker that speaks trunks: every OPEN becomes a channel that the test answers and uses. It keeps to the
// windows that the gateway gives; frames that no Worker sends go out by `WorkerTrunk.send`.
import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { decodeTrunkMessage } from "../../worker/protocol/trunk/decode.ts";
import {
  encodeTrunkFrame,
  TRUNK_MAX_PAYLOAD,
  TRUNK_WINDOW,
  type TrunkFrame,
} from "../../worker/protocol/trunk/frame.ts";
import { type StandInOptions, type StandInWorker, startStandIn } from "./stand-in-worker.ts";

/** How it behaves. */
export interface TrunkWorkerOptions extends StandInOptions {
  /** Answers an OPEN; without it every channel is accepted with no bytes. */
  readonly onOpen?: (channel: WorkerChannel) => void;
  readonly onData?: (channel: WorkerChannel, bytes: Uint8Array) => void;
}

/** A running one. */
export interface TrunkWorker extends StandInWorker {
  /** All trunks so far. */
  readonly trunks: readonly WorkerTrunk[];
  /** All channels so far, of all trunks. */
  readonly channels: readonly WorkerChannel[];
}

/** The Worker's end of a trunk. */
export class WorkerTrunk {
  readonly webSocket: WebSocket;
  readonly request: IncomingMessage;
  /** Every message of the gateway, as its frames. */
  readonly messages: TrunkFrame[][] = [];
  /** Set when the WebSocket has closed. */
  closeCode: number | undefined;

  constructor(webSocket: WebSocket, request: IncomingMessage) {
    this.webSocket = webSocket;
    this.request = request;
    webSocket.on("close", (code) => {
      this.closeCode = code;
    });
  }

  /** Sends frames as one message. */
  send(...frames: readonly TrunkFrame[]): void {
    this.webSocket.send(Buffer.concat(frames.map(encodeTrunkFrame)));
  }
}

/** The Worker's end of a channel. */
export class WorkerChannel {
  readonly trunk: WorkerTrunk;
  readonly id: number;
  readonly initiation: Uint8Array;
  #received: Uint8Array[] = [];
  /** The gateway's code, when it has closed it. */
  closeCode: number | undefined;
  /** Bytes that may be sent now. */
  window = TRUNK_WINDOW;
  /** CREDIT frames so far. */
  credits = 0;
  #waiting = Buffer.alloc(0);

  constructor(trunk: WorkerTrunk, id: number, initiation: Uint8Array) {
    this.trunk = trunk;
    this.id = id;
    this.initiation = initiation;
  }

  /** Everything that the client sent. */
  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  /** Bytes that wait for credit. */
  get waiting(): number {
    return this.#waiting.length;
  }

  accept(bytes: Uint8Array = new Uint8Array()): void {
    this.window -= bytes.length;
    this.trunk.send({ type: "accept", channel: this.id, bytes });
  }

  refuse(status: number, text = "", retryAfter = 0): void {
    this.trunk.send({ type: "refuse", channel: this.id, status, retryAfter, text });
  }

  /** Sends bytes as the window allows, the rest when credit comes. */
  send(bytes: string | Uint8Array): void {
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(bytes as Uint8Array)]);
    this.#flush();
  }

  close(code = 1000): void {
    this.trunk.send({ type: "close", channel: this.id, code });
  }

  /** Takes a frame of the gateway. */
  take(frame: TrunkFrame): void {
    if (frame.type === "data") this.#received.push(frame.bytes);
    else if (frame.type === "close") this.closeCode = frame.code;
    else if (frame.type === "credit") {
      this.credits += 1;
      this.window += frame.bytes;
      this.#flush();
    }
  }

  #flush(): void {
    for (;;) {
      const length = Math.min(this.window, this.#waiting.length, TRUNK_MAX_PAYLOAD);
      if (length === 0) return;
      this.trunk.send({ type: "data", channel: this.id, bytes: this.#waiting.subarray(0, length) });
      this.#waiting = this.#waiting.subarray(length);
      this.window -= length;
    }
  }
}

/** Starts it. */
export async function startTrunkWorker(options: TrunkWorkerOptions = {}): Promise<TrunkWorker> {
  const worker = await startStandIn({ knowsTrunks: true, ...options });
  const trunks: WorkerTrunk[] = [];
  const channels: WorkerChannel[] = [];
  void serve(worker, options, trunks, channels);
  return { ...worker, trunks, channels };
}

async function serve(
  worker: StandInWorker,
  { onOpen = (channel) => channel.accept(), onData }: TrunkWorkerOptions,
  trunks: WorkerTrunk[],
  channels: WorkerChannel[],
): Promise<void> {
  for (;;) {
    const { webSocket, request } = await worker.next();
    const trunk = new WorkerTrunk(webSocket, request);
    const open = new Map<number, WorkerChannel>();
    trunks.push(trunk);
    webSocket.on("message", (message: Buffer) => {
      const frames = decodeTrunkMessage(new Uint8Array(message), "gateway");
      trunk.messages.push(frames);
      for (const frame of frames) {
        if (frame.type === "open") {
          const channel = new WorkerChannel(trunk, frame.channel, frame.initiation);
          open.set(channel.id, channel);
          channels.push(channel);
          onOpen(channel);
          continue;
        }
        const channel = open.get(frame.channel);
        channel?.take(frame);
        if (channel !== undefined && frame.type === "data") onData?.(channel, frame.bytes);
      }
    });
  }
}
