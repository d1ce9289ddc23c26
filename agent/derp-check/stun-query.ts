// One question to a STUN server as clients ask it; the best of a few, because one datagram may be lost.
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { equalBytes } from "../../worker/protocol/bytes.ts";
import { formatAddress } from "../../worker/protocol/ip.ts";
import { decodeBindingResponse, encodeBindingRequest } from "../../worker/protocol/stun.ts";

const TRIES = 3;
const PATIENCE_MS = 1_000;

/** What a STUN server told, and how fast. */
export interface StunAnswer {
  readonly ms: number;
  /** Where it saw us: address and port. */
  readonly seenAt: string;
}

/** Asks; undefined when no answer comes to any of three questions. */
export async function askStun(host: string, port: number, family: 4 | 6): Promise<StunAnswer | undefined> {
  let best: StunAnswer | undefined;
  for (let n = 0; n < TRIES; n++) {
    const answer = await askOnce(host, port, family);
    if (answer !== undefined && answer.ms < (best?.ms ?? Number.POSITIVE_INFINITY)) best = answer;
  }
  return best;
}

function askOnce(host: string, port: number, family: 4 | 6): Promise<StunAnswer | undefined> {
  const socket = createSocket(family === 4 ? "udp4" : "udp6");
  const transactionId = randomBytes(12);
  const { promise, resolve } = Promise.withResolvers<StunAnswer | undefined>();
  const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  const startedAt = performance.now();
  socket.on("error", () => resolve(undefined)); // no route, no such name: no answer
  socket.on("message", (datagram) => {
    const decoded = decodeBindingResponse(datagram);
    if (!decoded.ok || !equalBytes(decoded.message.transactionId, transactionId)) return; // not for us
    const { address, port: seenPort } = decoded.message;
    const text = family === 6 ? `[${formatAddress(address)}]` : formatAddress(address);
    resolve({ ms: performance.now() - startedAt, seenAt: `${text}:${seenPort}` });
  });
  socket.send(encodeBindingRequest(transactionId), port, host, (error) => {
    if (error !== null) resolve(undefined);
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}
