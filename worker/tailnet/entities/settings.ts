// Settings of a tailnet that an administrator changes live. Deployment-wide values (names, URLs) come from env.ts.

/** Settings of one tailnet. */
export interface Settings {
  /** A new device waits for an administrator unless its auth key is pre-approved. */
  readonly isDeviceApprovalOn: boolean;
  /** Life of a user's node key. */
  readonly keyDurationMs: number;
  readonly isMagicDnsOn: boolean;
  /** Global resolvers: IPs, `ip:port` or DoH URLs. */
  readonly nameservers: readonly string[];
  readonly searchPaths: readonly string[];
  /** Domain → resolvers. */
  readonly splitDns: Readonly<Record<string, readonly string[]>>;
}

const DAY_MS = 86_400_000;

/** Settings of a new tailnet: those of the hosted service. */
export const DEFAULT_SETTINGS: Settings = {
  isDeviceApprovalOn: false,
  keyDurationMs: 180 * DAY_MS,
  isMagicDnsOn: true,
  nameservers: [],
  searchPaths: [],
  splitDns: {},
};
