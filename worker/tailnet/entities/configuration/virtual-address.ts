// Services (VIP services): names with addresses of their own, hosted by nodes (api-v2.md 2.16, control-protocol.md 8.1).

/** A Service. What callers wrote comes back as they wrote it: in the same order, and absent where it was absent. */
export interface Service {
  /** Never changes, unlike the name. */
  readonly id: string;
  /** `svc:<label>`. */
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly comment?: string;
  readonly displayName?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** `tcp:443`, `tcp:8000-8010`, `443` or `do-not-validate`. */
  readonly ports?: readonly string[];
  readonly tags?: readonly string[];
  /** What an administrator decided about hosts, by the nodes' stable ids. */
  readonly decisions: Readonly<Record<string, boolean>>;
}

/** One Service as a host reports it. */
export interface ReportedService {
  readonly name: string;
  /** As the client prints them. */
  readonly ports: readonly string[];
  /** Advertised now; false: configured, or about to be taken away. */
  readonly isActive: boolean;
}

/** What a node said that it serves. */
export interface ServiceReport {
  /** Stable id of the node. */
  readonly id: string;
  /** The hash that the node sent for this list; opaque. */
  readonly hash: string;
  readonly services: readonly ReportedService[];
}

/** The sentinel among a Service's ports: whatever a host serves will do. */
export const ANY_PORTS = "do-not-validate";

/** The DNS label of a Service's name. */
export function serviceLabel(name: string): string {
  return name.slice("svc:".length);
}
