// A gateway: its ports, its upstreams and its bridges, put together. It holds no keys and nothing about any client
// beyond the life of a connection, so that any number of gateways serve the same Worker and each may be killed at will.
import type http from "node:http";
import type https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { type ListenAddress, type MetricsPort, openMetrics } from "../daemon/metrics-server.ts";
import { listen } from "../daemon/open-port.ts";
import { type Log, throttledLog } from "../log.ts";
import { StunServer } from "../stun/stun-server.ts";
import { acceptUpgrade } from "./bridge/accept-upgrade.ts";
import { type Bridge, Bridges, type EndCause } from "./bridge/bridges.ts";
import type { Certificate } from "./certificate.ts";
import { drainBridges } from "./drain.ts";
import { HostCertificates } from "./host-certificates.ts";
import { passThrough } from "./http/http-pass-through.ts";
import { DIAL_BUDGET_MS } from "./limits.ts";
import { type Handlers, httpServer, httpsServer } from "./listener.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { DialLimiter } from "./upstream/dial-limiter.ts";
import { type HostMap, Routes } from "./upstream/routes.ts";

/** How a gateway is set up. A port of 0 takes any free one; a part that is undefined does not exist. */
export interface GatewayOptions {
  readonly upstreams: HostMap;
  /** Address of both ports; all addresses when undefined. */
  readonly listen?: string | undefined;
  readonly httpPort?: number | undefined;
  readonly https?: { readonly port: number; readonly certificate: Certificate } | undefined;
  /** UDP port of a STUN server that lives as long as the gateway. */
  readonly stunPort?: number | undefined;
  readonly metrics?: ListenAddress | undefined;
  readonly dialsPerSecond: number;
  readonly log: Log;
}

/** The ports that are open. */
export interface Ports {
  readonly httpPort: number | undefined;
  readonly httpsPort: number | undefined;
  readonly stunPort: number | undefined;
  readonly metricsPort: number | undefined;
}

/** How a drain went. */
export interface DrainReport {
  readonly seconds: number;
  /** Bridges that stood when it began. */
  readonly bridges: number;
  /** By what they ended; those missing here were cut. */
  readonly ended: Readonly<Partial<Record<EndCause, number>>>;
}

/** A running gateway. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #log: Log;
  readonly #routes: Routes;
  readonly #metrics: Metrics;
  readonly #bridges: Bridges;
  readonly #http: http.Server | undefined;
  readonly #https: https.Server | undefined;
  readonly #hostCertificates = new HostCertificates();
  readonly #stun: StunServer | undefined;
  #metricsPort: MetricsPort | undefined;
  #isDraining = false;
  #endedInDrain: Partial<Record<EndCause, number>> = {};

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#log = throttledLog(options.log);
    const limiter = new DialLimiter(options.dialsPerSecond, DIAL_BUDGET_MS);
    this.#routes = new Routes(options.upstreams, limiter);
    this.#metrics = createMetrics(() => ({
      bridges: this.#bridges,
      trunks: this.#routes.trunks,
      queuedDials: () => limiter.queued,
    }));
    this.#bridges = new Bridges(
      limiter,
      (bridge, cause, ageMs) => this.#noteEnd(bridge, cause, ageMs),
      (nowMs) => this.#routes.beat(nowMs),
    );
    const handlers = this.#handlers();
    if (options.httpPort !== undefined) this.#http = httpServer(handlers);
    if (options.https !== undefined)
      this.#https = httpsServer(options.https.certificate, this.#hostCertificates, handlers);
    if (options.stunPort !== undefined) this.#stun = this.#stunServer(options.stunPort);
  }

  /** How many bridges stand. */
  get bridges(): number {
    return this.#bridges.size;
  }

  /** Opens the ports. @throws Error that says what to do when one cannot be opened */
  async open(): Promise<Ports> {
    const { listen: host, httpPort, https: tls, metrics } = this.#options;
    const open = async (server: http.Server | https.Server | undefined, port: number | undefined) => {
      if (server === undefined) return undefined;
      const opened = await listen(server, { host, port });
      server.on("error", (error: NodeJS.ErrnoException) => this.#log.error("accept failed", { detail: error.code }));
      return opened;
    };
    const ports = {
      httpPort: await open(this.#http, httpPort),
      httpsPort: await open(this.#https, tls?.port),
      stunPort: await this.#stun?.open(),
    };
    const source = { registry: this.#metrics.registry, log: this.#log, isReady: () => !this.#isDraining };
    if (metrics !== undefined) this.#metricsPort = await openMetrics(metrics, source);
    return { ...ports, metricsPort: this.#metricsPort?.port };
  }

  /** Replaces the gateway's own certificate, or a host's, for connections from now on. */
  useCertificate(certificate: Certificate, host?: string): void {
    if (host !== undefined) this.#hostCertificates.use(host, certificate);
    else this.#https?.setSecureContext({ cert: certificate.cert, key: certificate.key });
  }

  /** Refuses new bridges, ends those that stand over `seconds`, lets requests finish, then closes everything. */
  async drain(seconds: number): Promise<DrainReport> {
    const startedAt = performance.now();
    const bridges = this.#bridges.size;
    const elapsed = () => (performance.now() - startedAt) / 1_000;
    this.#isDraining = true;
    this.#routes.drain();
    await drainBridges(this.#bridges, seconds);
    await this.#close(Math.max(0, seconds - elapsed()));
    return { seconds: elapsed(), bridges, ended: this.#endedInDrain };
  }

  async #close(patienceSeconds: number): Promise<void> {
    const servers = [this.#http, this.#https].filter((server) => server !== undefined);
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    const patience = new AbortController();
    await Promise.race([
      Promise.all(closed),
      sleep(patienceSeconds * 1_000, undefined, { signal: patience.signal }).catch(() => {}), // not needed any more
    ]);
    patience.abort();
    for (const server of servers) server.closeAllConnections();
    this.#stun?.close();
    this.#metricsPort?.close();
    this.#routes.close();
    this.#bridges.close();
  }

  #stunServer(port: number): StunServer {
    const addresses = this.#options.listen === undefined ? [] : [this.#options.listen];
    return new StunServer({ addresses, port, registry: this.#metrics.registry, log: this.#log });
  }

  #handlers(): Handlers {
    const parts = {
      routes: this.#routes,
      bridges: this.#bridges,
      metrics: this.#metrics,
      log: this.#log,
      isDraining: () => this.#isDraining,
    };
    return { request: passThrough(parts), upgrade: (...upgrade) => acceptUpgrade(parts, ...upgrade) };
  }

  #noteEnd(bridge: Bridge, cause: EndCause, ageMs: number): void {
    this.#metrics.ended(bridge, cause, ageMs);
    if (this.#isDraining) this.#endedInDrain[cause] = (this.#endedInDrain[cause] ?? 0) + 1;
    const isExpected =
      cause === "client-closed" || cause === "client-reset" || cause === "worker-closed" || cause === "drain";
    if (isExpected) return;
    this.#log.warn("bridge ended", { kind: bridge.kind, cause, seconds: Math.round(ageMs / 1_000) });
  }
}
