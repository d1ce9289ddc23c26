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

/** The port itself, or a free one in place of 0. It is free when this returns, which is the best that can be had for a
 *  port whose number one process must know before another one takes it. */
export async function choosePort(listen: string, port: number): Promise<number> {
  if (port !== 0) return port;
  const server = net.createServer().listen(0, listen);
  await once(server, "listening");
  const chosen = (server.address() as net.AddressInfo).port;
  server.close();
  await once(server, "close");
  return chosen;
}

/** Tells whether a UDP port can be listened on. */
export async function isFreeUdpPort(listen: string, port: number): Promise<boolean> {
  const socket = createSocket(net.isIPv6(listen) ? "udp6" : "udp4");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("error", () => resolve(false));
  socket.bind({ address: listen, port, exclusive: true }, () => resolve(true));
  const isFree = await promise;
  socket.close();
  return isFree;
}
