// Where logs are streamed to (api-v2.md 2.14).

/** Logs that can be streamed. */
export const LOG_TYPES = ["configuration", "network"] as const;
/** Kinds of destinations. */
export const LOG_DESTINATIONS = [
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
/** What is done to a body before it is sent. */
export const LOG_COMPRESSIONS = ["none", "gzip", "zstd"] as const;

/** A log. */
export type LogType = (typeof LOG_TYPES)[number];
/** A kind of destination. */
export type LogDestination = (typeof LOG_DESTINATIONS)[number];

/** Fields of a stream that are shown; empty texts are left out. */
export interface LogStreamSettings {
  readonly url?: string;
  readonly user?: string;
  /** 0: as soon as there is something to send. */
  readonly uploadPeriodMinutes?: number;
  readonly compressionFormat: (typeof LOG_COMPRESSIONS)[number];
  readonly s3Bucket?: string;
  readonly s3Region?: string;
  readonly s3KeyPrefix?: string;
  readonly s3AuthenticationType?: "accesskey" | "rolearn";
  readonly s3AccessKeyId?: string;
  readonly s3RoleArn?: string;
  readonly s3ExternalId?: string;
  readonly gcsBucket?: string;
  readonly gcsKeyPrefix?: string;
  readonly gcsScopes?: readonly string[];
  /** Names where to get credentials; holds none itself. */
  readonly gcsCredentials?: string;
}

/** Fields that are never shown. They open doors elsewhere, so they are kept as they are. */
export interface LogStreamSecrets {
  readonly token?: string;
  readonly s3SecretAccessKey?: string;
}

/** A stream. */
export interface LogStream {
  readonly id: LogType;
  readonly destination: LogDestination;
  readonly settings: LogStreamSettings;
  readonly secrets: LogStreamSecrets;
  /** Where the deployment was reached when it was set: issuer of its tokens when the deployment has no URL of its own. */
  readonly origin?: string;
}

/** An identifier that an AWS role's trust policy names. */
export interface ExternalId {
  readonly id: string;
  readonly isReusable: boolean;
  readonly createdAt: number;
}
