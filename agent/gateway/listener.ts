// The ports of a gateway: HTTP and HTTPS with the same handlers and the limits that keep slow and oversized peers away
// before anybody looks at a request (kubernetes.md C.1 G4).
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { isOurUpgrade } from "./bridge/upgrade.ts";
import type { Certificate } from "./certificate.ts";
import type { HostCertificates } from "./host-certificates.ts";
import type { RequestHandler } from "./http/http-pass-through.ts";
import {
  CONNECTIONS_MAX,
  HEADERS_CHECK_MS,
  HEADERS_MAX,
  HEADERS_TIMEOUT_MS,
  HTTP_KEEP_ALIVE_MS,
  TCP_KEEP_ALIVE_MS,
} from "./limits.ts";

/** What a listener does with requests. */
export interface Handlers {
  readonly request: RequestHandler;
  readonly upgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void;
}

const SERVER_OPTIONS = {
  maxHeaderSize: HEADERS_MAX,
  headersTimeout: HEADERS_TIMEOUT_MS,
  connectionsCheckingInterval: HEADERS_CHECK_MS,
  keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
  keepAlive: true,
  keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
  noDelay: true,
  shouldUpgradeCallback: isOurUpgrade,
} as const;

/** An HTTP server that does not listen yet. */
export function httpServer(handlers: Handlers): http.Server {
  return equip(http.createServer(SERVER_OPTIONS), handlers);
}

/**
 * An HTTPS server that does not listen yet. Its own certificate can be replaced with `setSecureContext`; `hosts` has
 * those of names that clients ask for.
 */
export function httpsServer(
  { cert, key }: Pick<Certificate, "cert" | "key">,
  hosts: HostCertificates,
  handlers: Handlers,
): https.Server {
  const server = https.createServer({
    ...SERVER_OPTIONS,
    cert,
    key,
    handshakeTimeout: HEADERS_TIMEOUT_MS,
    ALPNProtocols: ["http/1.1"],
    SNICallback: (name, done) => done(null, hosts.find(name)),
  });
  return equip(server, handlers);
}

function equip<S extends http.Server | https.Server>(server: S, handlers: Handlers): S {
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", handlers.request);
  server.on("upgrade", (request: IncomingMessage, socket, head: Buffer) => {
    handlers.upgrade(request, socket as Socket, head);
  });
  return server;
}
