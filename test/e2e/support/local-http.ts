// HTTP over connections that Node's fetch cannot use: a unix socket, and an HTTP proxy into the tailnet.
import { createSocket } from "node:dgram";
import { type IncomingMessage, type RequestOptions, request } from "node:http";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";

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

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freeLoopbackPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no address");
  return address.port;
}

/** A UDP port on loopback that is free at the moment. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => socket.once("error", reject).bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}
