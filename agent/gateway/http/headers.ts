// Headers that a gateway takes away and adds (RFC 9110 §7.6; kubernetes.md C.3). What it adds about the client are hints:
// the Worker has no reason to believe them.
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";

/** Headers as Node has them raw: name, value, name, value … */
export type RawHeaders = readonly string[];

const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Name of this process in `Via`; meeting it in a request means that the request goes round in circles. */
const PSEUDONYM = `flarescale-${randomBytes(6).toString("hex")}`;

/** Tells whether a request already went through this process. */
export function isLoop(request: IncomingMessage): boolean {
  return request.headers.via?.includes(PSEUDONYM) ?? false;
}

/** End-to-end headers of a message: all but the hop-by-hop ones and those that its `Connection` names. */
export function endToEnd(raw: RawHeaders, isDropped: (name: string) => boolean = () => false): string[] {
  const named = connectionOptions(raw);
  const kept: string[] = [];
  for (const [name, value] of headerPairs(raw)) {
    const lower = name.toLowerCase();
    if (!HOP_BY_HOP.has(lower) && !named.has(lower) && !isDropped(lower)) kept.push(name, value);
  }
  return kept;
}

/** Raw headers in pairs of name and value. */
export function headerPairs(raw: RawHeaders): [name: string, value: string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? "", raw[2 * i + 1] ?? ""]);
}

function connectionOptions(raw: RawHeaders): Set<string> {
  const names = new Set<string>();
  for (const [name, value] of headerPairs(raw)) {
    if (name.toLowerCase() !== "connection") continue;
    for (const option of value.split(",")) names.add(option.trim().toLowerCase());
  }
  return names;
}

/** Headers of a client's request as the Worker gets them: end-to-end ones, its own Host, and the hints. */
export function requestHeaders(request: IncomingMessage, upstream: URL): string[] {
  return [...endToEnd(request.rawHeaders, isOurs), "Host", upstream.host, ...hintHeaders(request)];
}

/**
 * What the gateway knows about a client. X-Forwarded-For is one address and never a list: the edge answers error 1000 to
 * a long one.
 */
export function hintHeaders(request: IncomingMessage): string[] {
  const socket = request.socket;
  const headers = ["X-Forwarded-Proto", (socket as TLSSocket).encrypted ? "https" : "http"];
  const address = socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, "");
  if (address !== undefined) headers.push("X-Forwarded-For", address);
  if (request.headers.host !== undefined) headers.push("X-Forwarded-Host", request.headers.host);
  const via = request.headers.via;
  headers.push("Via", `${via === undefined ? "" : `${via}, `}${request.httpVersion} ${PSEUDONYM}`);
  return headers;
}

/** What the gateway says of itself in a request that no client made. */
export function ownHeaders(): string[] {
  return ["Via", `1.1 ${PSEUDONYM}`];
}

/** Headers of a response as the client gets them. Alt-Svc names ports of the edge, which the gateway does not have. */
export function responseHeaders(raw: RawHeaders): string[] {
  return endToEnd(raw, (name) => name === "alt-svc");
}

/** Request headers that only the gateway, or the edge behind it, may set. */
function isOurs(name: string): boolean {
  return (
    name === "host" ||
    name === "expect" || // Node has answered 100 Continue already
    name === "via" ||
    name === "forwarded" ||
    name === "x-real-ip" ||
    name === "true-client-ip" ||
    name === "flarescale-messages" ||
    name.startsWith("x-forwarded-") ||
    name.startsWith("cf-")
  );
}
