// Host names and ports as they stand in URLs and in command lines.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import net from "node:net";

/** `host:port`, with brackets around an IPv6 address. */
export function hostPort(host: string, port: number): string {
  return `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** The origin `scheme://host[:port]`; the port is left out where it is the scheme's own. */
export function origin(scheme: "http" | "https", host: string, port: number): string {
  return new URL(`${scheme}://${hostPort(host, port)}`).origin;
}

/** The address to reach a listener on this machine: itself, or loopback when it listens on every interface. */
export function reachable(listen: string): string {
  if (listen === "0.0.0.0") return "127.0.0.1";
  return listen === "::" ? "::1" : listen;
}

/** Ports that no system hands out by itself: Linux does so from 32768 on, others from 49152. */
const CHOSEN = { first: 20_000, count: 10_000 };
let next = Math.floor(Math.random() * CHOSEN.count);

/** The port itself, or a free one in place of 0. One process must know its number before another one takes it, which may
 *  be seconds later; so it is none that meanwhile somebody could get who asks for any, and never the same one twice. */
export async function choosePort(listen: string, port: number, isFree = isFreeTcpPort): Promise<number> {
  if (port !== 0) return port;
  for (let tries = 0; tries < CHOSEN.count; tries++) {
    const candidate = CHOSEN.first + (next++ % CHOSEN.count);
    if (await isFree(listen, candidate)) return candidate;
  }
  throw new Error(`no port of ${listen} can be listened on`);
}

/** Tells whether a TCP port can be listened on. */
export async function isFreeTcpPort(listen: string, port: number): Promise<boolean> {
  const server = net.createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once("error", () => resolve(false)).listen(port, listen, () => resolve(true));
  const isFree = await promise;
  if (isFree) await once(server.close(), "close");
  return isFree;
}

/** Tells whether a UDP port can be listened on. */
export async function isFreeUdpPort(listen: string, port: number): Promise<boolean> {
  const socket = createSocket(net.isIPv6(listen) ? "udp6" : "udp4");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("error", () => resolve(false));
  socket.bind({ address: listen, port, exclusive: true }, () => resolve(true));
  const isFree = await promise;
  await once(socket.close(), "close");
  return isFree;
}
