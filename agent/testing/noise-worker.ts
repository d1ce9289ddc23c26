// A stand-in Worker that answers /key and the control handshake with a real Noise response, and nothing after it.
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { noiseCrypto } from "../../worker/platform/noise-crypto.ts";
import { machineKeyOf } from "../../worker/protocol/keys.ts";
import { type KeyPair, respond } from "../../worker/protocol/noise/handshake.ts";
import { type StandInOptions, type StandInWorker, startStandIn } from "./stand-in-worker.ts";

/** How the answers differ from those of a sound Worker. */
export interface NoiseWorkerOptions extends Omit<StandInOptions, "onRequest"> {
  /** Replaces the answer to GET /key. */
  readonly onKey?: (response: ServerResponse, publicKey: string) => void;
  /** Answers GET /health; without it that is not found. */
  readonly onHealth?: (response: ServerResponse) => void;
  /** Replaces the answer to the handshake. */
  readonly answer?: (response: Uint8Array) => Uint8Array | undefined;
}

/** Starts it. */
export async function startNoiseWorker(options: NoiseWorkerOptions = {}): Promise<StandInWorker> {
  const keys = keyPair();
  const worker = await startStandIn({
    ...options,
    onRequest: (request, response) => {
      if (request.url === "/health" && options.onHealth !== undefined) options.onHealth(response);
      else if (request.url !== "/key?v=113") response.writeHead(404).end();
      else (options.onKey ?? answerKey)(response, machineKeyOf(keys.publicKey));
    },
  });
  void serve(worker, keys, options);
  return worker;
}

/** The answer to GET /key as it should be. */
export function answerKey(response: ServerResponse, publicKey: string): void {
  response.writeHead(200, { "Content-Type": "application/json", "Access-Control-Allow-Origin": "*" });
  response.end(JSON.stringify({ publicKey }));
}

/** A fresh Noise key pair. */
export function keyPair(): KeyPair {
  const privateKey = new Uint8Array(randomBytes(32));
  return { privateKey, publicKey: noiseCrypto.publicKey(privateKey) };
}

async function serve(worker: StandInWorker, keys: KeyPair, { answer }: NoiseWorkerOptions): Promise<void> {
  for (;;) {
    const { webSocket, request } = await worker.next();
    try {
      const { response } = await respond(noiseCrypto, keys, initiationOf(request), new Uint8Array(randomBytes(32)));
      const bytes = answer === undefined ? response : answer(response);
      if (bytes === undefined) webSocket.close(1000);
      else webSocket.send(bytes);
    } catch {
      webSocket.close(1002); // made for another key
    }
  }
}

function initiationOf(request: IncomingMessage): Uint8Array {
  const query = new URL(request.url ?? "/", "http://worker").searchParams;
  return new Uint8Array(Buffer.from(query.get("X-Tailscale-Handshake") ?? "", "base64"));
}
