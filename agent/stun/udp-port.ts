// The sockets of a UDP port: of both families on every address, or on the addresses that are named. Each address has a
// socket of its own, because an answer must leave from the address that was asked, and Node cannot choose that.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { explainListenError } from "../daemon/open-port.ts";

/** How often a free port is looked for that is free on every address. */
const FREE_PORT_TRIES = 10;
const ANY = ["0.0.0.0", "::"];
/** A machine without IPv6 has no `::`. */
const NO_SUCH_FAMILY = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

/** An open port. */
export interface UdpPort {
  readonly port: number;
  readonly sockets: readonly Socket[];
}

/** Opens a UDP port, 0 for any free one. @throws Error that says what to do about it */
export async function openUdpPort(addresses: readonly string[], port: number): Promise<UdpPort> {
  for (let attempt = 1; ; attempt++) {
    const sockets: Socket[] = [];
    try {
      await openAll(sockets, addresses, port);
      return { port: sockets[0]?.address().port ?? port, sockets };
    } catch (error) {
      for (const socket of sockets) socket.close();
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (port !== 0 || !isTaken || attempt === FREE_PORT_TRIES) throw explained(error as NodeJS.ErrnoException, port);
    }
  }
}

async function openAll(sockets: Socket[], addresses: readonly string[], port: number): Promise<void> {
  const isAny = addresses.length === 0;
  for (const address of isAny ? ANY : addresses) {
    try {
      sockets.push(await bind(address, sockets[0]?.address().port ?? port));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (!(isAny && address === "::" && NO_SUCH_FAMILY.has(code))) throw error;
    }
  }
}

async function bind(address: string, port: number): Promise<Socket> {
  // The look-up of literal addresses is spared: it costs more than the answer.
  const lookup = (host: string, _: unknown, done: (error: null, address: string, family: number) => void) =>
    done(null, host, isIPv6(host) ? 6 : 4);
  const type = isIPv6(address) ? "udp6" : "udp4";
  const socket = createSocket({ type, ipv6Only: type === "udp6", lookup });
  const listening = once(socket, "listening"); // which may come at once
  socket.bind({ address, port, exclusive: true });
  try {
    await listening;
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

function explained(error: NodeJS.ErrnoException & { address?: string }, port: number): Error {
  return explainListenError(error, { host: error.address, port: `${port} (UDP)` });
}
