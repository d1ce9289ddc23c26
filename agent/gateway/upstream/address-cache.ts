// Addresses of the Worker's host, both families, kept for a while: thousands of clients that come back together ask the
// resolver once, and a resolver that is down for a moment takes nothing down with it (kubernetes.md C.1 G2).
import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import { ADDRESS_FRESH_MS, ADDRESS_STALE_MS } from "../limits.ts";

/** Asks for every address of a name. */
export type ResolveAll = (hostname: string) => Promise<readonly LookupAddress[]>;

interface Entry {
  readonly addresses: readonly LookupAddress[];
  readonly resolvedAt: number;
}

/** A `lookup` for sockets that remembers answers and falls back on old ones. One gateway asks for one name. */
export function cachedLookup(resolve: ResolveAll = resolveAll, now = Date.now): LookupFunction {
  const entries = new Map<string, Entry>();
  const running = new Map<string, Promise<Entry>>();

  const refresh = (hostname: string): Promise<Entry> => {
    let promise = running.get(hostname);
    if (promise === undefined) {
      promise = resolve(hostname)
        .then((addresses) => {
          const entry = { addresses, resolvedAt: now() };
          entries.set(hostname, entry);
          return entry;
        })
        .finally(() => running.delete(hostname));
      running.set(hostname, promise);
    }
    return promise;
  };

  const find = async (hostname: string): Promise<readonly LookupAddress[]> => {
    const known = entries.get(hostname);
    if (known !== undefined && now() - known.resolvedAt < ADDRESS_FRESH_MS) return known.addresses;
    try {
      return (await refresh(hostname)).addresses;
    } catch (error) {
      if (known !== undefined && now() - known.resolvedAt < ADDRESS_STALE_MS) return known.addresses;
      throw error;
    }
  };

  const lookUp = async (...[hostname, options, callback]: Parameters<LookupFunction>): Promise<void> => {
    let addresses: readonly LookupAddress[];
    try {
      addresses = await find(hostname);
    } catch (error) {
      callback(error as NodeJS.ErrnoException, "");
      return;
    }
    answer(addresses, options, callback);
  };
  return (...call) => void lookUp(...call);
}

function answer(
  addresses: readonly LookupAddress[],
  options: Parameters<LookupFunction>[1],
  callback: Parameters<LookupFunction>[2],
): void {
  const wanted = addresses.filter((entry) => !options.family || entry.family === options.family);
  const [first] = wanted;
  if (options.all === true) callback(null, [...wanted]);
  else if (first !== undefined) callback(null, first.address, first.family);
  else callback(Object.assign(new Error("no address of this family"), { code: "ENOTFOUND" }), "");
}

async function resolveAll(hostname: string): Promise<readonly LookupAddress[]> {
  return await lookup(hostname, { all: true, order: "verbatim" });
}
