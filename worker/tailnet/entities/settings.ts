// Settings of a tailnet that an administrator changes live. Deployment-wide values (names, URLs) come from env.ts.

/** A resolver: an IP, `ip:port` or a DoH URL. */
export interface Nameserver {
  readonly address: string;
  /** Asked even while an exit node is used. */
  readonly useWithExitNode: boolean;
}

/** Whom to write to about something. */
export interface Contact {
  readonly email: string;
}

/** What contacts are kept for. */
export const CONTACT_TYPES = ["account", "support", "security"] as const;

/** Settings of one tailnet. */
export interface Settings {
  /** A new device waits for an administrator unless its auth key is pre-approved. */
  readonly isDeviceApprovalOn: boolean;
  /** A new user waits for an administrator. */
  readonly isUserApprovalOn: boolean;
  /** Life of a user's node key. */
  readonly keyDurationMs: number;
  /** What clients do about updates unless their users chose. */
  readonly isAutoUpdateOn: boolean;
  /** Users of which roles may join other tailnets; kept and shown, since there is none. */
  readonly externalTailnetRole: "none" | "admin" | "member";
  /** Kept and shown: clients send flow logs to their vendor alone. */
  readonly isFlowLoggingOn: boolean;
  /** Each node is led to the closest of several routers, by relay regions. */
  readonly isRegionalRoutingOn: boolean;
  /** Devices are asked for serial numbers. */
  readonly isPostureCollectionOn: boolean;
  /** Nodes may ask for certificates. */
  readonly isHttpsOn: boolean;
  /** The policy file is kept somewhere else: editors shall leave it alone. */
  readonly isPolicyManagedElsewhere: boolean;
  /** Where that is. */
  readonly policyLink: string;
  readonly isMagicDnsOn: boolean;
  /** Global resolvers replace those of the device's network; otherwise they only stand in for them. */
  readonly isLocalDnsOverridden: boolean;
  /** Global resolvers. */
  readonly nameservers: readonly Nameserver[];
  readonly searchPaths: readonly string[];
  /** Domain → resolvers. */
  readonly splitDns: Readonly<Record<string, readonly Nameserver[]>>;
  readonly contacts: Readonly<Record<(typeof CONTACT_TYPES)[number], Contact>>;
}

const DAY_MS = 86_400_000;
const NOBODY: Contact = { email: "" };

/** Settings of a new tailnet: those of the hosted service. */
export const DEFAULT_SETTINGS: Settings = {
  isDeviceApprovalOn: false,
  isUserApprovalOn: false,
  keyDurationMs: 180 * DAY_MS,
  isAutoUpdateOn: false,
  externalTailnetRole: "admin",
  isFlowLoggingOn: false,
  isRegionalRoutingOn: false,
  isPostureCollectionOn: false,
  isHttpsOn: false,
  isPolicyManagedElsewhere: false,
  policyLink: "",
  isMagicDnsOn: true,
  isLocalDnsOverridden: true,
  nameservers: [],
  searchPaths: [],
  splitDns: {},
  contacts: { account: NOBODY, support: NOBODY, security: NOBODY },
};
