// Hosts in private networks that may receive logs and events. The operator of a deployment names them, each with its port;
// whoever uses the API can not.

/** `host:port` of each; hosts are written as in URLs (lower case, IPv6 in brackets). */
export type PrivateReceivers = ReadonlySet<string>;

/** What may be reached besides public addresses, and how. */
export interface PrivateWorld {
  readonly receivers: PrivateReceivers;
  /** A way that leads into private networks too; undefined: there is none, and no receivers. */
  readonly network: { fetch(url: string, request: RequestInit): Promise<Response> } | undefined;
}

/** `host:port` that a URL leads to, as {@link PrivateReceivers} has it. */
export function hostPortOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`;
}

/** Reads `host:port`s that are separated by commas. @returns what is wrong with them when they are not that */
export function parsePrivateReceivers(text: string): PrivateReceivers | string {
  const entries = text
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== "");
  const problem = entries.map(problemOf).find((each) => each !== undefined);
  return problem ?? new Set(entries);
}

/** An entry must be spelt as URLs spell it: then a comparison of texts is one of hosts. */
function problemOf(entry: string): string | undefined {
  const isHostPort = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+):[1-9]\d{0,4}$/.test(entry);
  if (!isHostPort || !URL.canParse(`http://${entry}`))
    return `"${entry}" is not a host and a port, such as 10.0.0.5:8088`;
  const canonical = hostPortOf(new URL(`http://${entry}`));
  return canonical === entry ? undefined : `"${entry}" must be written as ${canonical}`;
}
