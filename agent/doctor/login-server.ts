// What native clients make of a login server's URL (control-protocol.md 1.1, 1.6; kubernetes.md 0.2). Pure. The control
// connection is not dialled where the URL points: clients try plain HTTP first and then TLS, each on a port that follows
// from the URL, and within two minutes of an earlier attempt they try TLS alone.
import { BlockList, isIP } from "node:net";
import { UsageError } from "../command-line.ts";

/** One way in which clients dial the control connection. */
export interface DialTarget {
  readonly scheme: "http" | "https";
  readonly port: number;
}

/** A login server as clients see it. */
export interface LoginServer {
  readonly url: URL;
  /** Name or address without brackets. */
  readonly host: string;
  /** Port of `/key` and of everything else that is fetched where the URL points. */
  readonly port: number;
  /** First try of the control connection. */
  readonly plain: DialTarget;
  /** Second try; undefined where clients never use TLS. */
  readonly tls: DialTarget | undefined;
  /** Whether the first try may fail without harm: the URL itself says https. */
  readonly isPlainOptional: boolean;
}

const PRIVATE = new BlockList();
for (const [net, bits] of [
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["127.0.0.0", 8],
] as const) {
  PRIVATE.addSubnet(net, bits);
}
PRIVATE.addSubnet("fc00::", 7, "ipv6");
PRIVATE.addAddress("::1", "ipv6");

/** Reads a login server. @throws UsageError when clients would refuse the URL */
export function parseLoginServer(text: string): LoginServer {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new UsageError(`--login-server must be a URL that begins with https:// or http://, not "${text}"`);
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const isSecure = url.protocol === "https:";
  const port = Number(url.port) || (isSecure ? 443 : 80);
  const tls = { scheme: "https", port: isSecure ? port : 443 } as const;
  return {
    url,
    host,
    port,
    plain: { scheme: "http", port: isSecure ? 80 : port },
    tls: !isSecure && isPrivate(host) ? undefined : tls,
    isPlainOptional: isSecure,
  };
}

/** Addresses with which clients never use TLS. A name that resolves to one does not count. */
function isPrivate(host: string): boolean {
  if (isIP(host) === 0) return host === "localhost";
  return PRIVATE.check(host, isIP(host) === 6 ? "ipv6" : "ipv4");
}
