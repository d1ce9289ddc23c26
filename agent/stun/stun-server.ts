// A STUN server for Tailscale clients (control-protocol.md 7.7). It keeps nothing but the limits, answers nothing but
// whole binding requests with a fingerprint and the name that Tailscale clients give themselves, and never with more
// than a tenth above what it got, so that it is of no use to whoever wants to flood somebody.
import type { RemoteInfo, Socket } from "node:dgram";
import type { Registry } from "prom-client";
import { type Address, isIPv4, parseAddress } from "../../worker/protocol/ip.ts";
import { decodeBindingRequest, encodeBindingResponse, TAILSCALE_SOFTWARE } from "../../worker/protocol/stun.ts";
import type { Log } from "../log.ts";
import { type Family, noCounts, type Outcome, registerStunMetrics } from "./metrics.ts";
import { type Rate, SourceLimiter, TotalLimiter } from "./source-limiter.ts";
import { openUdpPort } from "./udp-port.ts";

/** Limits unless others are given. A client asks each region a few times in five minutes; many may share an address. */
export const PER_SOURCE: Rate = { perSecond: 20, burst: 200 };
export const IN_TOTAL: Rate = { perSecond: 10_000, burst: 10_000 };

/** How a STUN server is set up. */
export interface StunOptions {
  /** Addresses to listen on; every address of both families when empty. */
  readonly addresses: readonly string[];
  /** 0 for any free port. */
  readonly port: number;
  readonly perSource?: Rate;
  readonly inTotal?: Rate;
  readonly registry: Registry;
  readonly log: Log;
}

/** A running STUN server. */
export class StunServer {
  readonly counts: Readonly<Record<Family, Record<Outcome, number>>> = { ipv4: noCounts(), ipv6: noCounts() };
  readonly #options: StunOptions;
  readonly #sources: SourceLimiter;
  readonly #total: TotalLimiter;
  #sockets: readonly Socket[] = [];

  constructor(options: StunOptions) {
    this.#options = options;
    this.#sources = new SourceLimiter(options.perSource ?? PER_SOURCE);
    this.#total = new TotalLimiter(options.inTotal ?? IN_TOTAL, performance.now());
    registerStunMetrics(options.registry, () => ({ counts: this.counts, sources: this.#sources.size }));
  }

  /** Opens the port and returns its number. @throws Error that says what to do when it cannot be opened */
  async open(): Promise<number> {
    const { port, sockets } = await openUdpPort(this.#options.addresses, this.#options.port);
    this.#sockets = sockets;
    for (const socket of sockets) {
      socket.on("message", (datagram, peer) => this.#receive(socket, datagram, peer));
      socket.on("error", (error: NodeJS.ErrnoException) =>
        this.#options.log.error("stun failed", { detail: error.code }),
      );
    }
    return port;
  }

  /** Closes the port. */
  close(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
  }

  #receive(socket: Socket, datagram: Uint8Array, peer: RemoteInfo): void {
    const address = addressOf(peer);
    const counts = this.counts[isIPv4(address) ? "ipv4" : "ipv6"];
    const decoded = decodeBindingRequest(datagram);
    if (!decoded.ok) {
      counts[decoded.problem]++;
      return;
    }
    const { transactionId, software, hasFingerprint } = decoded.message;
    const obstacle =
      software !== TAILSCALE_SOFTWARE || !hasFingerprint ? "not-tailscale" : this.#limitOf(address, performance.now());
    if (obstacle !== undefined) {
      counts[obstacle]++;
      return;
    }
    const answer = encodeBindingResponse({ transactionId, address, port: peer.port });
    socket.send(answer, peer.port, peer.address, (error) => counts[error === null ? "answered" : "send-failed"]++);
  }

  #limitOf(address: Address, now: number): "source-limit" | "total-limit" | undefined {
    if (!this.#sources.take(address, now)) return "source-limit";
    return this.#total.take(now) ? undefined : "total-limit";
  }
}

/** The sender. The zone of a link-local address is for the way back alone. */
function addressOf({ address }: RemoteInfo): Address {
  return parseAddress(address.split("%")[0] ?? "") ?? 0n;
}
