// Integrations with device management systems (api-v2.md 2.19).

/** Systems that the API knows. */
export const POSTURE_PROVIDERS = [
  "falcon",
  "fleet",
  "huntress",
  "intune",
  "jamfpro",
  "kandji",
  "kolide",
  "sentinelone",
] as const;

/** An integration: stored and shown; no system is asked yet. */
export interface PostureIntegration {
  /** `p…CNTRL`. */
  readonly id: string;
  readonly provider: (typeof POSTURE_PROVIDERS)[number];
  readonly cloudId: string;
  readonly clientId: string;
  readonly tenantId: string;
  /** Never shown. */
  readonly clientSecret: string;
  /** Milliseconds since 1970. */
  readonly updatedAt: number;
}
