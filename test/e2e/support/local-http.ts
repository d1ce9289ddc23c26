// HTTP over connections that Node's fetch cannot use: a unix socket, and an HTTP proxy into the tailnet.
import { type IncomingMessage, type RequestOptions, request } from "node:http";
import { text } from "node:stream/consumers";
import { choosePort, isFreeUdpPort } from "../../../scripts/stack/address.ts";

/** A reply, read to its end. */
export interface Reply {
  readonly status: number;
  readonly body: string;
}

/** Sends a request without a body. @throws Error when there is no reply in time */
export async function replyTo(options: RequestOptions, timeoutMs: number): Promise<Reply> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ ...options, agent: false, signal })
        .once("response", resolve)
        .once("error", reject)
        .end();
    });
    return { status: response.statusCode ?? 0, body: await text(response) };
  } catch (error) {
    if (signal.aborted) throw new Error(`${options.path}: no reply within ${timeoutMs} ms`, { cause: error });
    throw error;
  }
}

/** Gets an http:// URL through an HTTP proxy at `host:port`. */
export async function fetchThroughProxy(proxyAddress: string, url: string, timeoutMs: number): Promise<Reply> {
  const [host, port] = proxyAddress.split(":");
  return replyTo({ host, port, path: url, headers: { Host: new URL(url).host } }, timeoutMs);
}

/** A TCP port of 127.0.0.1 that is free, and that nobody gets who asks for any. */
export async function freeLoopbackPort(): Promise<number> {
  return await choosePort("127.0.0.1", 0);
}

/** A UDP port on loopback, likewise. */
export async function freeUdpPort(): Promise<number> {
  return await choosePort("127.0.0.1", 0, isFreeUdpPort);
}
