// Which Worker a request is for: a gateway may serve several control and DERP hosts, told apart by the request's Host.
// Workers of the same origin share their connections; all share the pace of new dials.
import { UsageError } from "../../command-line.ts";
import type { Refusal } from "../bridge/refusal.ts";
import type { DialLimiter } from "./dial-limiter.ts";
import { Dialer } from "./dialer.ts";
import { createUpstream, parseUpstream, type Upstream } from "./upstream.ts";

/** Origins by the host that clients ask for. */
export interface HostMap {
  /** For every host that is not named; undefined refuses them. */
  readonly fallback: URL | undefined;
  /** Host names in lower case, IPv6 addresses in brackets, no ports. */
  readonly hosts: ReadonlyMap<string, URL>;
}

/** Where a request goes. */
export interface Route {
  readonly upstream: Upstream;
  readonly dialer: Dialer;
}

/** The answer to a host that the gateway does not serve (RFC 9110 §15.5.20). */
export const UNKNOWN_HOST: Refusal = {
  kind: "refused",
  cause: "unknown-host",
  status: 421,
  text: "this gateway does not serve the host that the request names",
};

/**
 * Parses the values of `--upstream`: `ORIGIN` for every host, `HOST=ORIGIN` for one. Names may come from a request or
 * from the command line, ports in them do not count. @throws UsageError
 */
export function parseHostMap(values: readonly string[]): HostMap {
  let fallback: URL | undefined;
  const hosts = new Map<string, URL>();
  for (const value of values) {
    const named = /^([^=/]+)=(.*)$/.exec(value);
    if (named === null) {
      if (fallback !== undefined) throw new UsageError("--upstream without a host may be given once; use HOST=ORIGIN");
      fallback = parseUpstream(value);
      continue;
    }
    const host = hostOf(named[1] ?? "");
    if (host === undefined) throw new UsageError(`--upstream: "${named[1]}" is not a host name or an address`);
    if (hosts.has(host)) throw new UsageError(`--upstream: ${host} is given twice`);
    hosts.set(host, parseUpstream(named[2] ?? ""));
  }
  if (fallback === undefined && hosts.size === 0) {
    throw new UsageError("--upstream is needed: the origin of your Worker, as https://control.example.com");
  }
  return { fallback, hosts };
}

/** The host of a Host header in the form of {@link HostMap}; undefined when it is none. */
function hostOf(text: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+?)\.?(?::\d{1,5})?$/.exec(text);
  return match?.[1]?.toLowerCase();
}

/** The routes of a gateway. */
export class Routes {
  readonly #byHost = new Map<string, Route>();
  readonly #byOrigin = new Map<string, Route>();
  readonly #fallback: Route | undefined;

  constructor({ fallback, hosts }: HostMap, limiter: DialLimiter) {
    const route = (origin: URL) => {
      const known = this.#byOrigin.get(origin.origin);
      if (known !== undefined) return known;
      const upstream = createUpstream(origin);
      const made = { upstream, dialer: new Dialer(upstream, limiter) };
      this.#byOrigin.set(origin.origin, made);
      return made;
    };
    this.#fallback = fallback && route(fallback);
    for (const [host, origin] of hosts) this.#byHost.set(host, route(origin));
  }

  /** Where a request with this Host header goes; undefined when its host is not served. */
  find(hostHeader: string | undefined): Route | undefined {
    const host = hostHeader === undefined ? undefined : hostOf(hostHeader);
    return (host === undefined ? undefined : this.#byHost.get(host)) ?? this.#fallback;
  }

  /** Trunks that stand, and control connections on them. */
  get trunks(): { readonly count: number; readonly channels: number } {
    let [count, channels] = [0, 0];
    for (const { dialer } of this.#byOrigin.values()) {
      count += dialer.trunks.size;
      channels += dialer.trunks.channels;
    }
    return { count, channels };
  }

  /** Looks after the trunks; called every few seconds (HEARTBEAT_MS). */
  beat(nowMs: number): void {
    for (const { dialer } of this.#byOrigin.values()) dialer.trunks.beat(nowMs);
  }

  /** Has trunks end when their last client goes. */
  drain(): void {
    for (const { dialer } of this.#byOrigin.values()) dialer.trunks.drain();
  }

  /** Closes the kept connections and the trunks. */
  close(): void {
    for (const { upstream, dialer } of this.#byOrigin.values()) {
      dialer.trunks.close();
      upstream.close();
    }
  }
}
