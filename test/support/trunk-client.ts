// The gateway's half of a trunk, for tests inside workerd: frames written and read by hand, sharing no code with the
// server. Each channel looks like the WebSocket of a single connection, so that a client need not know how it is carried.
import { Arrivals } from "./arrivals.ts";

const PROTOCOL = "flarescale-trunk-1";
const MAX_PAYLOAD = 65_536;
const Type = { OPEN: 1, ACCEPT: 2, REFUSE: 3, DATA: 4, CLOSE: 5, CREDIT: 6 } as const;

/** A frame from the server. */
export interface ServerFrame {
  readonly type: number;
  readonly channel: number;
  readonly payload: Uint8Array;
}

/** How a trunk is opened and behaves. */
export interface TrunkClientOptions {
  /** Sends the upgrade request, for example `exports.default.fetch`. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Headers of the upgrade. */
  readonly headers?: Record<string, string>;
  /** Whether what clients have taken is credited at once; on unless told otherwise. */
  readonly givesCredit?: boolean;
}

/** Bytes of one frame. */
export function frame(type: keyof typeof Type, channel: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length);
  bytes[0] = Type[type];
  view.setUint32(4, channel);
  bytes.set(payload, 8);
  return bytes;
}

/** Payload of a CREDIT. */
export function credit(bytes: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes);
  return payload;
}

/** A trunk as its gateway has it. */
export class TrunkClient {
  /** All that the server sent, message by message. */
  readonly received: ServerFrame[][] = [];
  /** Close code, once closed. */
  closeCode: number | undefined;
  readonly #socket: WebSocket;
  readonly #givesCredit: boolean;
  readonly #channels = new Map<number, ChannelSocket>();
  #highest = 0;
  readonly #arrivals = new Arrivals(() => this.closeCode);

  private constructor(socket: WebSocket, givesCredit: boolean) {
    this.#socket = socket;
    this.#givesCredit = givesCredit;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event) => this.#receive(new Uint8Array(event.data as ArrayBuffer)));
    socket.addEventListener("close", (event) => {
      this.closeCode = event.code;
      for (const channel of this.#channels.values()) channel.ended(event.code);
      this.#channels.clear();
      this.#arrivals.note();
    });
    socket.accept();
  }

  /** Opens a trunk. */
  static async open({ fetch, headers, givesCredit = true }: TrunkClientOptions): Promise<TrunkClient> {
    const response = await fetch("http://control.test/ts2021", {
      headers: { upgrade: "websocket", "sec-websocket-protocol": PROTOCOL, ...headers },
    });
    if (response.webSocket === null) throw new Error(`trunk refused: ${response.status} ${await response.text()}`);
    if (response.headers.get("sec-websocket-protocol") !== PROTOCOL) throw new Error("server chose another protocol");
    return new TrunkClient(response.webSocket, givesCredit);
  }

  /** Channels that are open, or asked for. */
  get channels(): number {
    return this.#channels.size;
  }

  /** The number that the next channel gets. */
  get nextChannel(): number {
    return this.#highest + 1;
  }

  /** Frames for one channel. */
  framesOf(channel: number): ServerFrame[] {
    return this.received.flat().filter((each) => each.channel === channel);
  }

  /** Opens a channel as if the URL of a single connection was asked for: its answer has a socket, or a status. */
  readonly fetch = async (url: string, _init?: RequestInit): Promise<Response> => {
    const handshake = new URL(url).searchParams.get("X-Tailscale-Handshake") ?? "";
    const initiation = Uint8Array.from(atob(handshake), (character) => character.charCodeAt(0));
    const number = this.nextChannel;
    this.#highest = number;
    const channel = new ChannelSocket(this, number);
    this.#channels.set(number, channel);
    this.send(frame("OPEN", number, initiation));
    await this.until(() => channel.answer !== undefined || channel.closeCode !== undefined, `an answer on ${number}`);
    const { status, text } = channel.answer ?? { status: 101, text: "" };
    if (status === 101) return { status, webSocket: channel } as unknown as Response;
    this.#channels.delete(number);
    return new Response(text, { status });
  };

  /** Sends frames in one message. */
  send(...frames: Uint8Array[]): void {
    this.#socket.send(join(frames));
  }

  /** Sends a text message, which no gateway does. */
  sendText(text: string): void {
    this.#socket.send(text);
  }

  /** Closes the trunk. */
  close(code = 1000): void {
    this.#socket.close(code, "");
  }

  /** Closes one channel. */
  closeChannel(channel: number, code: number): void {
    if (!this.#channels.delete(channel)) return;
    this.send(frame("CLOSE", channel, Uint8Array.of(code >> 8, code & 255)));
  }

  /** Waits until something holds; it is looked at after every message. @throws Error after 40 s */
  async until(holds: () => boolean, what: string): Promise<void> {
    await this.#arrivals.until(holds, what);
  }

  #receive(message: Uint8Array): void {
    const frames = framesIn(message);
    this.received.push(frames);
    const credits: Uint8Array[] = [];
    for (const each of frames) {
      const taken = this.#channels.get(each.channel)?.receive(each) ?? 0;
      if (each.type === Type.CLOSE) this.#channels.delete(each.channel);
      if (taken > 0 && this.#channels.has(each.channel)) credits.push(frame("CREDIT", each.channel, credit(taken)));
    }
    if (this.#givesCredit && credits.length > 0) this.send(...credits);
    this.#arrivals.note();
  }
}

/** A channel in the form of a WebSocket. */
class ChannelSocket extends EventTarget {
  readonly binaryType = "arraybuffer";
  answer: { readonly status: number; readonly text: string } | undefined;
  closeCode: number | undefined;
  readonly #trunk: TrunkClient;
  readonly #number: number;
  #isAccepted = false;
  #early: Uint8Array[] = [];

  constructor(trunk: TrunkClient, number: number) {
    super();
    this.#trunk = trunk;
    this.#number = number;
  }

  accept(): void {
    this.#isAccepted = true;
    for (const bytes of this.#early) this.#tell(bytes);
    this.#early = [];
    if (this.closeCode !== undefined) this.ended(this.closeCode);
  }

  send(bytes: Uint8Array): void {
    if (this.closeCode !== undefined) return;
    const frames: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD) {
      frames.push(frame("DATA", this.#number, bytes.slice(at, at + MAX_PAYLOAD)));
    }
    this.#trunk.send(...frames);
  }

  close(code = 1000): void {
    this.#trunk.closeChannel(this.#number, code);
  }

  /** @returns bytes that were for the client */
  receive({ type, payload }: ServerFrame): number {
    switch (type) {
      case Type.ACCEPT:
        this.answer = { status: 101, text: "" };
        this.#tell(payload);
        return payload.length;
      case Type.REFUSE:
        this.answer = { status: view(payload).getUint16(0), text: new TextDecoder().decode(payload.subarray(4)) };
        return 0;
      case Type.DATA:
        this.#tell(payload);
        return payload.length;
      default:
        this.ended(view(payload).getUint16(0));
        return 0;
    }
  }

  ended(code: number): void {
    this.closeCode = code;
    if (this.#isAccepted) this.dispatchEvent(new CloseEvent("close", { code }));
  }

  #tell(bytes: Uint8Array): void {
    if (this.#isAccepted) this.dispatchEvent(new MessageEvent("message", { data: bytes.slice().buffer }));
    else this.#early.push(bytes);
  }
}

function framesIn(message: Uint8Array): ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (let at = 0; at < message.length; ) {
    const length = view(message).getUint32(at) & 0xffffff;
    const payload = message.slice(at + 8, at + 8 + length);
    if (payload.length !== length || length > MAX_PAYLOAD) throw new Error("message holds no whole frames");
    frames.push({ type: message[at] as number, channel: view(message).getUint32(at + 4), payload });
    at += 8 + length;
  }
  return frames;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
