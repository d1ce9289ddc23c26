// What the deployment, not the tailnet, decides about messages: names, addresses and relays. Read once by env.ts.
import type { DerpMap } from "../protocol/control/derp-map.ts";

/** Deployment-wide values. URLs have no trailing slash. */
export interface Deployment {
  /** Name of the tailnet as people see it. */
  readonly tailnetName: string;
  /** MagicDNS suffix, without dots at either end. */
  readonly magicDnsSuffix: string;
  readonly derpMap: DerpMap;
  /** Login server that native clients use; empty: unknown. */
  readonly controlUrl: string;
}
