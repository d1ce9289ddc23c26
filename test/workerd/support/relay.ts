// Clients of the relay for tests inside workerd, and the relay's object at hand.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { relayOf } from "../../../worker/platform/relays.ts";
import { BUILT_IN_REGION } from "../../../worker/protocol/control/own-regions.ts";
import { DerpClient, type DerpFrame } from "../../support/derp-client.ts";

/** A DERP client with its socket. */
export interface RelayClient extends DerpClient {
  readonly socket: WebSocket;
  /** Settles when the relay closes the socket. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

/** The relay's object, by a new stub each time: those of before an eviction may be broken. */
export function relay() {
  return relayOf(env, BUILT_IN_REGION);
}

/** Evicts the relay's object as hibernation does: sockets stay, memory goes. */
export async function evictRelay(): Promise<void> {
  try {
    await evictDurableObject(relay());
  } catch (error) {
    // The platform was faster: the object had been idle for ten seconds.
    if (!(error instanceof Error && error.message.includes("not currently running"))) throw error;
  }
}

/** A private key that depends on a number. */
export function privateKey(seed: number): Uint8Array {
  const key = new Uint8Array(32).fill(0x11);
  new DataView(key.buffer).setUint32(4, seed);
  return key;
}

const open: RelayClient[] = [];

/** Closes all clients and waits until the relay knows. The next ones are the first that it keeps alive: on a busy machine
 *  the keep-alive of a file's first client would otherwise come in the middle of a later test. */
export async function closeAll(): Promise<void> {
  const clients = open.splice(0);
  for (const client of clients) client.socket.close();
  await Promise.all(clients.map((client) => client.closed));
  await runInDurableObject(relay(), (_, { storage }) => storage.deleteAlarm());
}

/**
 * Opens a connection; the client has not logged in. `chunk` cuts what it sends into pieces of that size; `isGateway` says
 * that long messages will do.
 */
export async function connect(seed: number, chunk = Number.POSITIVE_INFINITY, isGateway = false): Promise<RelayClient> {
  const headers = {
    upgrade: "websocket",
    "sec-websocket-protocol": "derp",
    ...(isGateway && { "flarescale-messages": "long" }),
  };
  const response = await exports.default.fetch("https://relay.test/derp", { headers });
  const socket = response.webSocket;
  if (socket === null) throw new Error(`upgrade refused: ${response.status}`);
  socket.binaryType = "arraybuffer";
  const client = new DerpClient(privateKey(seed), (bytes) => {
    for (let at = 0; at < bytes.length; at += chunk) socket.send(bytes.slice(at, at + chunk));
  });
  socket.addEventListener("message", ({ data }) => {
    if (!(data instanceof ArrayBuffer)) throw new Error("message is not binary");
    if (data.byteLength > (isGateway ? 65_536 : 16_384)) throw new Error(`message of ${data.byteLength} bytes`);
    client.receive(new Uint8Array(data));
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
  });
  socket.accept();
  const relayClient = Object.assign(client, { socket, closed });
  open.push(relayClient);
  return relayClient;
}

/** Opens a connection and logs in. */
export async function join(seed: number, info?: Record<string, unknown>): Promise<RelayClient> {
  const client = await connect(seed);
  await client.logIn(info);
  return client;
}

/** The next frame that is not a Ping of the relay's flow control; those are answered when `pong` says so. */
export async function nextFrame(client: RelayClient, pong = true): Promise<DerpFrame> {
  for (;;) {
    const frame = await client.next();
    if (frame.type !== 0x12) return frame;
    if (pong) client.sendFrame(0x13, frame.payload);
  }
}

/** Makes a round trip, after which the relay has handled all that the client sent before. */
export async function settle(client: RelayClient): Promise<DerpFrame[]> {
  const before: DerpFrame[] = [];
  const nonce = crypto.getRandomValues(new Uint8Array(8));
  client.sendFrame(0x12, nonce);
  for (;;) {
    const frame = await nextFrame(client);
    if (frame.type === 0x13 && frame.payload.every((byte, i) => byte === nonce[i])) return before;
    before.push(frame);
  }
}
