// URLs that the tailnet's object is told to call: it must not be a way into networks that callers can not reach.
import { hostPortOf, type PrivateReceivers } from "../../../protocol/private-receivers.ts";

/** What a URL may be. */
export interface ReceiverUrlRules {
  readonly maxLength: number;
  /** Ports that may be named; absent: any. */
  readonly ports?: readonly string[];
  /** What may be named although it is not public, on any port. */
  readonly privateReceivers: PrivateReceivers;
}

/**
 * What is wrong with a URL; undefined: nothing. Where a public name leads is not known here; Cloudflare and plain workerd
 * connect to public addresses alone when the operator has not named a host.
 */
export function receiverUrlProblem(text: string, rules: ReceiverUrlRules): string | undefined {
  if (text.length > rules.maxLength || !URL.canParse(text)) return "not a URL";
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return "must not hold credentials";
  if (!/^https?:$/.test(url.protocol)) return "must be an http or https URL";
  if (rules.privateReceivers.has(hostPortOf(url))) return undefined;
  if (rules.ports !== undefined && url.port !== "" && !rules.ports.includes(url.port)) {
    return `must use port ${rules.ports.join(" or ")}`;
  }
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  const isName = /^[a-z0-9.-]+\.[a-z][a-z0-9-]*$/.test(host);
  const isLocal = /(^|\.)(localhost|local|internal|lan|home|arpa|test|invalid)$/.test(host);
  if (isName && !isLocal) return undefined;
  return "must lead to a public name, or to a host and port that the operator of this server has allowed";
}
