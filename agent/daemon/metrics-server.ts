// Health and metrics on a port of their own, which is not for clients: `/healthz` (the process answers), `/readyz` (it
// takes new clients), `/metrics` (Prometheus).
import http, { type ServerResponse } from "node:http";
import { isIPv6 } from "node:net";
import type { Registry } from "prom-client";
import { UsageError } from "../command-line.ts";
import type { Log } from "../log.ts";
import { listen } from "./open-port.ts";

/** Where to listen; an undefined host stands for every address. */
export interface ListenAddress {
  readonly host: string | undefined;
  readonly port: number;
}

/** Parses `ADDR:PORT`, `[ADDR]:PORT` or `:PORT`. @throws UsageError */
export function parseListenAddress(option: string, text: string): ListenAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535 || (match[1] !== undefined && !isIPv6(match[1]))) {
    throw new UsageError(`--${option} must look like 127.0.0.1:9090, [::1]:9090 or :9090, not "${text}"`);
  }
  return { host: match[1] ?? (match[2] || undefined), port };
}

/** A port of health and metrics that is open. */
export interface MetricsPort {
  readonly port: number;
  close(): void;
}

/** What the port tells. */
export interface MetricsSource {
  readonly registry: Registry;
  readonly log: Log;
  isReady(): boolean;
}

/** Opens the port. @throws Error that says what to do when it cannot be opened */
export async function openMetrics(address: ListenAddress, source: MetricsSource): Promise<MetricsPort> {
  const server = http.createServer((request, response) => {
    const path = request.url?.split("?")[0];
    if (path === "/healthz") plain(response, 200, "ok");
    else if (path === "/readyz") plain(response, source.isReady() ? 200 : 503, source.isReady() ? "ready" : "draining");
    else if (path === "/metrics") void expose(source.registry, response);
    else plain(response, 404, "there is /healthz, /readyz and /metrics");
  });
  const port = await listen(server, address);
  server.on("error", (error: NodeJS.ErrnoException) => source.log.error("accept failed", { detail: error.code }));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { port, close };
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" });
  response.end(`${text}\n`);
}

async function expose(registry: Registry, response: ServerResponse): Promise<void> {
  const text = await registry.metrics();
  response.writeHead(200, { "Content-Type": registry.contentType });
  response.end(text);
}
