// What is sent to the destination of a log stream: each kind has its own form of body and its own way to show a token
// (api-v2.md 2.14). Bodies are texts here; whoever sends them compresses them.

import { toBase64, utf8 } from "../../protocol/bytes.ts";
import { formatTime } from "../../protocol/control/json.ts";
import type { LogDestination, LogStream } from "../entities/configuration/log-stream.ts";
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
  if (destination === "gcs")
    return "Google Cloud Storage is not supported by this server; its S3-compatible endpoint is";
  if (destination === "s3" && settings.s3AuthenticationType === "rolearn") {
    return "this server has no AWS account that could take on a role; use an access key";
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

/** The request that carries a body. The same first entry makes the same object, so that a retry replaces it. */
export function logRequest(stream: LogStream, first: LogEntry, body: Uint8Array, now: number): LogRequest {
  const { destination, settings, secrets } = stream;
  const { contentType } = formOf(destination);
  if (destination === "s3") {
    const url = objectUrl(stream, first);
    const { s3AccessKeyId: accessKeyId = "", s3Region: region = "" } = settings;
    const credentials = { accessKeyId, region, secretAccessKey: secrets.s3SecretAccessKey ?? "" };
    const unsigned = { method: "PUT", url, headers: { "content-type": contentType }, body } as const;
    return { method: "PUT", url, headers: signS3(unsigned, credentials, now) };
  }
  if (destination === "gcs") throw new Error("nothing is sent to this destination");
  const { compressionFormat, url = "", user = "" } = settings;
  return {
    method: "POST",
    url: destination === "elastic" ? bulkUrl(url) : url,
    headers: {
      "content-type": contentType,
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

/** `<prefix>2026/01/02/03/04/05-<number>.json`, by the time of the first entry. */
function objectUrl({ settings }: LogStream, { id, at }: LogEntry): string {
  const { url, s3Bucket = "", s3Region, s3KeyPrefix = "", compressionFormat } = settings;
  const time = new Date(at).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "/");
  const ending = { none: "json", gzip: "json.gz", zstd: "json.zst" }[compressionFormat];
  const key = escapeKey(`${s3KeyPrefix.replace(/^\/+/, "")}${time}-${id}.${ending}`);
  if (url !== undefined) return `${url.replace(/\/+$/, "")}/${s3Bucket}/${key}`;
  const host = `s3.${s3Region}.amazonaws.com`;
  return s3Bucket.includes(".") ? `https://${host}/${s3Bucket}/${key}` : `https://${s3Bucket}.${host}/${key}`;
}
