// A control connection as clients in browsers open it (control-protocol.md 1.4): a WebSocket, Noise, the early payload,
// HTTP/2. It works at a gateway and at the Worker itself, for a few short requests; there is no map stream.
import { type ClientHttp2Session, connect } from "node:http2";
import { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { concat, EMPTY, fromUtf8, readU32 } from "../../worker/protocol/bytes.ts";
import { parseMachineKey, rawKey } from "../../worker/protocol/keys.ts";
import { WEBSOCKET_MAX_RECEIVE } from "../../worker/protocol/limits.ts";
import { openRecords, sealRecords, type TransportState } from "../../worker/protocol/noise/transport.ts";
import { printable } from "../finding.ts";
import { NoiseProbe, noble, PROBE_VERSION } from "./noise-probe.ts";

const PROTOCOL = "tailscale-control-protocol";
const ANSWER_TIMEOUT_MS = 10_000;
const RESPONSE_LENGTH = 51;
// [5 magic][u32be length][JSON]   the early payload in front of HTTP/2
const EARLY_HEADER_LENGTH = 9;

/** An open session. */
export interface ControlSession {
  /** Posts JSON and returns the answer's body. @throws Error with the server's words when the status is not 200 */
  post(path: string, body: unknown): Promise<Uint8Array>;
  close(): void;
}

/** Opens a session as a new machine. @throws Error in words */
export async function openControlSession(loginServer: URL): Promise<ControlSession> {
  const probe = await NoiseProbe.begin(await serverKey(loginServer));
  const target = new URL(`/ts2021?X-Tailscale-Handshake=${encodeURIComponent(probe.handshake)}`, loginServer);
  target.protocol = loginServer.protocol === "https:" ? "wss:" : "ws:";
  const webSocket = new WebSocket(target, [PROTOCOL], { perMessageDeflate: false, maxPayload: WEBSOCKET_MAX_RECEIVE });
  const stream = await handshake(webSocket, probe);
  const session = connect("http://control", { createConnection: () => stream });
  session.on("error", () => {}); // the request that it breaks says so
  return {
    post: (path, body) => post(session, path, body),
    close: () => {
      session.destroy();
      webSocket.terminate();
    },
  };
}

async function serverKey(loginServer: URL): Promise<Uint8Array> {
  const response = await fetch(new URL(`/key?v=${PROBE_VERSION}`, loginServer), {
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  const answer: unknown = response.ok ? await response.json() : undefined;
  const key = parseMachineKey((answer as { publicKey?: unknown } | undefined)?.publicKey);
  if (key === undefined) throw new Error(`GET /key answers ${response.status} and no key`);
  return rawKey(key);
}

/** The byte stream inside Noise, from HTTP/2 on. */
function handshake(webSocket: WebSocket, probe: NoiseProbe): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const timer = setTimeout(() => reject(new Error("no handshake within 10 s")), ANSWER_TIMEOUT_MS);
  let waiting: Uint8Array = EMPTY;
  let receive: ((bytes: Uint8Array) => void) | undefined;
  const begin = async (answer: Uint8Array, rest: Uint8Array) => {
    const verdict = await probe.judge(answer);
    if (verdict.kind !== "proved") throw new Error("the server does not prove the key of /key");
    const opened = noiseStream(webSocket, verdict.transport);
    receive = opened.receive;
    receive(concat([rest, waiting]));
    resolve(opened.stream);
  };
  let hasAnswer = false;
  webSocket.on("message", (message: Buffer) => {
    if (receive !== undefined) return receive(message);
    waiting = concat([waiting, message]);
    if (hasAnswer || !NoiseProbe.isWhole(waiting)) return;
    hasAnswer = true;
    const [answer, rest] = [waiting.subarray(0, RESPONSE_LENGTH), waiting.subarray(RESPONSE_LENGTH)];
    waiting = EMPTY;
    void begin(answer, rest).catch(reject);
  });
  webSocket.on("error", (error) => reject(new Error(`no control connection: ${error.message}`, { cause: error })));
  webSocket.on("close", () => reject(new Error("the server ends the handshake")));
  return promise.finally(() => clearTimeout(timer));
}

function noiseStream(webSocket: WebSocket, transport: TransportState) {
  let early: Uint8Array | undefined = EMPTY;
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Uint8Array, _, done) => webSocket.send(sealRecords(noble, transport, chunk), done),
    destroy: (_, done) => {
      webSocket.terminate();
      done(null);
    },
  });
  webSocket.on("close", () => stream.push(null));
  const receive = (bytes: Uint8Array) => {
    let plaintext = concat(openRecords(noble, transport, bytes));
    if (early !== undefined) {
      early = concat([early, plaintext]);
      if (early.length < EARLY_HEADER_LENGTH) return;
      const end = EARLY_HEADER_LENGTH + readU32(early, 5);
      if (early.length < end) return;
      plaintext = early.slice(end);
      early = undefined;
    }
    if (plaintext.length > 0) stream.push(plaintext);
  };
  return { stream, receive };
}

function post(session: ClientHttp2Session, path: string, body: unknown): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const request = session.request({ ":method": "POST", ":path": path, "content-type": "application/json" });
  request.setTimeout(ANSWER_TIMEOUT_MS, () => request.destroy(new Error(`no answer to ${path} within 10 s`)));
  let status = 0;
  const chunks: Uint8Array[] = [];
  request.on("response", (headers) => {
    status = headers[":status"] ?? 0;
  });
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("error", reject);
  request.on("end", () => {
    const answer = concat(chunks);
    if (status === 200) resolve(answer);
    else reject(new Error(`${path} answers ${status}: ${printable(fromUtf8(answer))}`));
  });
  request.on("close", () => reject(new Error(`the server ended the connection before it answered ${path}`)));
  request.end(JSON.stringify(body));
  return promise;
}
