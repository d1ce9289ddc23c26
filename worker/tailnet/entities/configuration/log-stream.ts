// Where logs are streamed to (api-v2.md 2.14).

/** Logs that can be streamed. */
const LOG_TYPES = ["configuration", "network"] as const;
/** Kinds of destinations. */
const LOG_DESTINATIONS = [
  "splunk",
  "elastic",
  "panther",
  "cribl",
  "crowdstrike",
  "datadog",
  "axiom",
  "s3",
  "gcs",
] as const;

/** A log. */
export type LogType = (typeof LOG_TYPES)[number];
/** A kind of destination. */
export type LogDestination = (typeof LOG_DESTINATIONS)[number];

/** A stream. Its settings are as the caller wrote them, empty texts left out. */
export interface LogStream {
  readonly id: LogType;
  readonly destination: LogDestination;
  /** Fields that are shown. */
  readonly settings: Readonly<Record<string, string | number | readonly string[]>>;
  /** Fields that are never shown. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** An identifier that an AWS role's trust policy names. */
export interface ExternalId {
  readonly id: string;
  readonly isReusable: boolean;
  readonly createdAt: number;
}
