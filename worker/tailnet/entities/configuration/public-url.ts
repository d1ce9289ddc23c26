// URLs that the tailnet's object is told to call: it must not be a way into networks that callers can not reach.

/**
 * What is wrong with a URL; undefined: nothing. Where a name leads is not known here; Cloudflare and plain workerd
 * connect to public addresses alone. @param ports that may be named; absent: any
 */
export function publicUrlProblem(text: string, maxLength: number, ports?: readonly string[]): string | undefined {
  if (text.length > maxLength || !URL.canParse(text)) return "not a URL";
  const { protocol, hostname, port, username, password } = new URL(text);
  if (username !== "" || password !== "") return "must not hold credentials";
  if (!/^https?:$/.test(protocol)) return "must be an http or https URL";
  if (ports !== undefined && port !== "" && !ports.includes(port)) return `must use port ${ports.join(" or ")}`;
  const host = hostname.toLowerCase().replace(/\.$/, "");
  const isName = /^[a-z0-9.-]+\.[a-z][a-z0-9-]*$/.test(host);
  const isLocal = /(^|\.)(localhost|local|internal|lan|home|arpa|test|invalid)$/.test(host);
  return isName && !isLocal ? undefined : "must lead to a public name";
}
