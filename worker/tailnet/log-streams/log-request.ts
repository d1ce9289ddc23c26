// What is sent to the destination of a log stream: each kind has its own form of body and its own way to show a token
// (api-v2.md 2.14). Bodies are texts here; whoever sends them compresses them.

import { toBase64, utf8 } from "../../protocol/bytes.ts";
import { formatTime } from "../../protocol/control/json.ts";
import type { LogDestination, LogStream, LogStreamSettings } from "../entities/configuration/log-stream.ts";
import { awsDomain, type LogGrant, readExternalAccount } from "./federation.ts";
import { escapeKey, signS3 } from "./sign-s3.ts";

/** An entry of a log. */
export interface LogEntry {
  /** Grows from entry to entry. */
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly json: object;
}

/** A request, ready to be sent. */
export interface LogRequest {
  readonly method: "POST" | "PUT";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Form {
  readonly contentType: string;
  readonly write: (entries: readonly LogEntry[]) => string;
}

const LINES: Form = {
  contentType: "application/x-ndjson",
  write: (entries) => entries.map(({ json }) => `${JSON.stringify(json)}\n`).join(""),
};
const LIST: Form = {
  contentType: "application/json",
  write: (entries) => JSON.stringify(entries.map(({ json }) => json)),
};
/** The HTTP Event Collector of Splunk, which others speak too: objects, one after the other. */
const EVENTS: Form = {
  contentType: "application/json",
  write: (entries) => entries.map(({ at, json }) => JSON.stringify({ time: at / 1000, event: json })).join("\n"),
};
/** The bulk interface of Elasticsearch, for a data stream. */
const BULK: Form = {
  contentType: "application/x-ndjson",
  write: (entries) =>
    entries
      .map(({ at, json }) => `{"create":{}}\n${JSON.stringify({ "@timestamp": formatTime(at), ...json })}\n`)
      .join(""),
};

type Proof = (token: string, user: string) => Readonly<Record<string, string>>;
const bearer: Proof = (token) => ({ authorization: `Bearer ${token}` });

const HTTP: Readonly<Record<Exclude<LogDestination, "s3" | "gcs">, { readonly form: Form; readonly proof: Proof }>> = {
  splunk: { form: EVENTS, proof: (token) => ({ authorization: `Splunk ${token}` }) },
  crowdstrike: { form: EVENTS, proof: bearer },
  elastic: { form: BULK, proof: (token, user) => ({ authorization: `Basic ${toBase64(utf8(`${user}:${token}`))}` }) },
  panther: { form: LINES, proof: bearer },
  cribl: { form: LINES, proof: (token) => ({ authorization: token }) },
  datadog: { form: LIST, proof: (token) => ({ "dd-api-key": token }) },
  axiom: { form: LINES, proof: bearer },
};

/** Why nothing can be sent to a destination; undefined: something can. */
export function whyUnsendable({ id, destination, settings }: LogStream): string | undefined {
  if (id === "network") {
    return "this server has no flow logs: nodes send them to a host that is built into them, which it can not change";
  }
  if (destination === "gcs" && readExternalAccount(settings.gcsCredentials) === undefined) {
    return "gcsCredentials want an identity of AWS, and this server has none; let their provider trust its own tokens (OIDC)";
  }
  return undefined;
}

/** The entries as the destination wants them, before they are compressed. */
export function logBody({ destination }: LogStream, entries: readonly LogEntry[]): Uint8Array {
  return utf8(formOf(destination).write(entries));
}

/** How many bytes an entry takes in a body, about. */
export function sizeOf({ json }: LogEntry): number {
  return JSON.stringify(json).length + 64;
}

/**
 * The request that carries a body. The same first entry makes the same object, so that a retry replaces it.
 *
 * @param grant what {@link needsGrant} asks for
 */
export function logRequest(
  stream: LogStream,
  first: LogEntry,
  body: Uint8Array,
  { grant, now }: { readonly grant: LogGrant | undefined; readonly now: number },
): LogRequest {
  const { destination, settings, secrets } = stream;
  const { contentType } = formOf(destination);
  const type = { "content-type": contentType };
  if (destination === "s3") {
    const url = s3Url(settings, objectKey(settings.s3KeyPrefix, stream, first));
    const { s3AccessKeyId: accessKeyId = "", s3Region: region = "" } = settings;
    const key = grant?.kind === "key" ? grant : { accessKeyId, secretAccessKey: secrets.s3SecretAccessKey ?? "" };
    const headers = grant?.kind === "key" ? { ...type, "x-amz-security-token": grant.sessionToken } : type;
    return { method: "PUT", url, headers: signS3({ method: "PUT", url, headers, body }, { ...key, region }, now) };
  }
  if (destination === "gcs") {
    const url = gcsUrl(settings, objectKey(settings.gcsKeyPrefix, stream, first));
    return { method: "PUT", url, headers: { ...type, ...(grant?.kind === "bearer" && bearer(grant.token, "")) } };
  }
  const { compressionFormat, url = "", user = "" } = settings;
  return {
    method: "POST",
    url: destination === "elastic" ? bulkUrl(url) : url,
    headers: {
      ...type,
      ...(compressionFormat !== "none" && { "content-encoding": compressionFormat }),
      ...(secrets.token !== undefined && HTTP[destination].proof(secrets.token, user)),
    },
  };
}

function formOf(destination: LogDestination): Form {
  return destination === "s3" || destination === "gcs" ? LINES : HTTP[destination].form;
}

/** The bulk interface below a URL, whose query stays: pipelines and other options stand there. */
function bulkUrl(base: string): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/_bulk`;
  return url.href;
}

/** `<prefix>2026/01/02/03/04/05-<number>.json`, by the time of the first entry; escaped. */
function objectKey(prefix = "", { settings }: LogStream, { id, at }: LogEntry): string {
  const time = new Date(at).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "/");
  const ending = { none: "json", gzip: "json.gz", zstd: "json.zst" }[settings.compressionFormat];
  return escapeKey(`${prefix.replace(/^\/+/, "")}${time}-${id}.${ending}`);
}

function s3Url({ url, s3Bucket = "", s3Region = "" }: LogStreamSettings, key: string): string {
  if (url !== undefined) return `${url.replace(/\/+$/, "")}/${s3Bucket}/${key}`;
  const host = `s3.${s3Region}.${awsDomain(s3Region)}`;
  return s3Bucket.includes(".") ? `https://${host}/${s3Bucket}/${key}` : `https://${s3Bucket}.${host}/${key}`;
}

function gcsUrl({ url, gcsBucket = "", gcsCredentials }: LogStreamSettings, key: string): string {
  const store = url ?? `https://storage.${readExternalAccount(gcsCredentials)?.universe}`;
  return `${store.replace(/\/+$/, "")}/${gcsBucket}/${key}`;
}
