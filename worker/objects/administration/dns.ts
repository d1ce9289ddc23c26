// DNS settings (api-v2.md 2.8).
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import {
  type DnsSettings,
  patchSplitDns,
  setDns,
  withAddresses,
} from "../../tailnet/commands/configuration/set-dns.ts";
import type { ResourceContext } from "./resource-context.ts";

/** The DNS settings of a tailnet. */
export class Dns {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** The settings in force. */
  get(): DnsSettings {
    return this.#context.tailnet.settings;
  }

  /** Replaces what is given. */
  set(changed: Partial<DnsSettings>): Outcome<DnsSettings> {
    return this.#context.execute((tailnet) => setDns(tailnet, changed));
  }

  /** Replaces the global resolvers by address. */
  setNameservers(addresses: readonly string[]): Outcome<DnsSettings> {
    return this.#context.execute((tailnet) =>
      setDns(tailnet, { nameservers: withAddresses(tailnet.settings.nameservers, addresses) }),
    );
  }

  /** Changes some domains of split DNS, or all of them. */
  setSplit(domains: Readonly<Record<string, readonly string[] | null>>, isWhole: boolean): Outcome<DnsSettings> {
    return this.#context.execute((tailnet) => {
      const gone = isWhole ? Object.keys(tailnet.settings.splitDns).map((domain) => [domain, null] as const) : [];
      return patchSplitDns(tailnet, Object.fromEntries([...gone, ...Object.entries(domains)]));
    });
  }
}
