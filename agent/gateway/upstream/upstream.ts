// The one place that the gateway connects to: the Worker's origin. Tunnels and plain requests share its addresses and
// its TLS sessions, so that a reconnect costs one round trip less (kubernetes.md C.1 G2).
import http from "node:http";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { UsageError } from "../../command-line.ts";
import { TCP_KEEP_ALIVE_MS } from "../limits.ts";
import { cachedLookup } from "./address-cache.ts";

/** Takes what a connection reads. */
export interface Intake {
  /** Called with memory that is overwritten afterwards; until then the taker may write to it. */
  receive: (bytes: Buffer) => void;
}

/** What one read of any connection with an intake brings. A buffer for each would cost 64 KiB of every idle bridge. */
const readBuffer = Buffer.allocUnsafeSlow(64 << 10);

/** The Worker's origin and how connections to it are made. */
export interface Upstream {
  /** `http:` or `https:` origin, no path. */
  readonly origin: URL;
  readonly hostname: string;
  readonly port: number;
  /**
   * Opens a connection for one bridge. With an intake, what it reads goes there instead of to listeners of "data", in
   * memory that all connections share.
   */
  readonly connect: (intake?: Intake) => net.Socket;
  /** Starts a plain request on a kept connection; headers are raw. */
  request(options: { method: string; path: string; headers: string[] }): http.ClientRequest;
  /** Closes the kept connections. */
  close(): void;
}

/** Parses the option `--upstream`. @throws UsageError */
export function parseUpstream(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`--upstream "${text}" is not a URL; give the Worker's origin, as https://control.example.com`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new UsageError(`--upstream must begin with https:// or http://, not ${url.protocol}`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "") {
    throw new UsageError(`--upstream is an origin without path, query or user; did you mean ${url.origin}?`);
  }
  return url;
}

/** Prepares connections to an origin; connects to nothing yet. */
export function createUpstream(origin: URL): Upstream {
  const isSecure = origin.protocol === "https:";
  const hostname = origin.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(origin.port) || (isSecure ? 443 : 80);
  const target = {
    host: hostname,
    port,
    lookup: cachedLookup(),
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    noDelay: true,
  };
  const agentOptions = { keepAlive: true, lookup: target.lookup };
  const agent = isSecure ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
  const start = isSecure ? https.request : http.request;
  return {
    origin,
    hostname,
    port,
    connect: isSecure ? tlsConnector(target) : (intake) => net.connect({ ...target, ...readInto(intake) }),
    request: (options) => start({ ...options, host: hostname, port, agent }),
    close: () => agent.destroy(),
  };
}

/** Connects with TLS and resumes the newest session that the Worker gave. */
function tlsConnector(target: tls.ConnectionOptions & { host: string }): Upstream["connect"] {
  let session: Buffer | undefined;
  const servername = net.isIP(target.host) === 0 ? { servername: target.host } : {};
  return (intake) => {
    const reading = readInto(intake);
    const options = { ...target, ...servername, ALPNProtocols: ["http/1.1"], ...(session && { session }), ...reading };
    const socket = tls.connect(options);
    socket.on("session", (ticket) => {
      session = ticket;
    });
    return socket;
  };
}

/** The option of a connection that reads into the shared buffer. */
function readInto(intake: Intake | undefined): { readonly onread?: net.OnReadOpts } {
  if (intake === undefined) return {};
  const callback = (length: number) => {
    intake.receive(readBuffer.subarray(0, length));
    return true;
  };
  return { onread: { buffer: readBuffer, callback } };
}
