// Log streams and the identifiers that go with them: set, remove, make (api-v2.md 2.14).

import { toHex } from "../../../protocol/bytes.ts";
import { EXTERNAL_IDS_MAX, LOG_STREAM_MAX_TEXT } from "../../../protocol/limits.ts";
import type { PrivateReceivers } from "../../../protocol/private-receivers.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import type { ExternalId, LogStream, LogType } from "../../entities/configuration/log-stream.ts";
import { receiverUrlProblem } from "../../entities/configuration/receiver-url.ts";
import { externalAccountProblem, readExternalAccount } from "../../log-streams/federation.ts";
import type { Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** Sets where a log is streamed to, in place of what was set before. The destination is not asked. */
export function putLogStream(stream: LogStream, privateReceivers: PrivateReceivers): Decision<null> {
  const problem = problemOf(stream, privateReceivers);
  if (problem !== undefined) return refused({ reason: "invalid", detail: problem });
  return decided(null, [{ type: "record-put", collection: "log-streams", record: stream }]);
}

/** Ends a stream. */
export function deleteLogStream(tailnet: Tailnet, id: LogType): Decision<null> {
  if (!tailnet.records["log-streams"].has(id)) return refused({ reason: "not-found", what: "log stream" });
  return decided(null, [{ type: "record-removed", collection: "log-streams", id }]);
}

/** An external id: a reusable one is the same until a stream uses it. The oldest give way to new ones. */
export function makeExternalId(
  tailnet: Tailnet,
  isReusable: boolean,
  { now, random }: CommandContext,
): Decision<ExternalId> {
  const known = [...tailnet.records["external-ids"].values()];
  const used = new Set([...tailnet.records["log-streams"].values()].map(({ settings }) => settings.s3ExternalId));
  const open = known.find((each) => each.isReusable && !used.has(each.id));
  if (isReusable && open !== undefined) return decided(open);
  const record: ExternalId = { id: uuid(random(16)), isReusable, createdAt: now };
  const oldest = known.filter(({ id }) => !used.has(id)).slice(0, Math.max(0, known.length + 1 - EXTERNAL_IDS_MAX));
  return decided(record, [
    ...oldest.map(({ id }): Change => ({ type: "record-removed", collection: "external-ids", id })),
    { type: "record-put", collection: "external-ids", record },
  ]);
}

function problemOf(
  { destination, settings, secrets }: LogStream,
  privateReceivers: PrivateReceivers,
): string | undefined {
  for (const [name, value] of Object.entries({ ...settings, ...secrets })) {
    if (JSON.stringify(value).length > LOG_STREAM_MAX_TEXT) return `${name}: too long`;
    if (typeof value === "string" && name !== "gcsCredentials" && /[^\x20-\x7e]/.test(value)) {
      return `${name}: must be printable ASCII`;
    }
  }
  if (settings.url !== undefined || !["s3", "gcs"].includes(destination)) {
    const problem = receiverUrlProblem(settings.url ?? "", { maxLength: LOG_STREAM_MAX_TEXT, privateReceivers });
    if (problem !== undefined) return `url: ${problem}`;
  }
  if (destination === "s3") return s3Problem({ settings, secrets });
  return destination === "gcs" ? gcsProblem(settings, privateReceivers) : undefined;
}

/** Credentials that want an identity of AWS are taken as they are and serve nothing here, as the status says. */
function gcsProblem({ gcsBucket = "", gcsCredentials }: LogStream["settings"], privateReceivers: PrivateReceivers) {
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(gcsBucket)) return "gcsBucket: not the name of a bucket";
  if (gcsCredentials === undefined) return "gcsCredentials: required";
  const account = readExternalAccount(gcsCredentials);
  if (account === undefined) return undefined;
  const problem = externalAccountProblem(account);
  if (problem !== undefined) return `gcsCredentials: ${problem}`;
  for (const url of [account.tokenUrl, account.impersonationUrl]) {
    const wrong = url && receiverUrlProblem(url, { maxLength: LOG_STREAM_MAX_TEXT, privateReceivers });
    if (wrong) return `gcsCredentials: ${url} ${wrong}`;
  }
  return undefined;
}

function s3Problem({ settings, secrets }: Pick<LogStream, "settings" | "secrets">): string | undefined {
  const { s3Bucket = "", s3Region = "", s3AuthenticationType } = settings;
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(s3Bucket)) return "s3Bucket: not the name of a bucket";
  if (!/^[a-z0-9-]{1,64}$/.test(s3Region)) return "s3Region: not the name of a region";
  if (s3AuthenticationType === "rolearn") {
    return /^arn:[a-z-]+:iam::\d{12}:role\/.+$/.test(settings.s3RoleArn ?? "") ? undefined : "s3RoleArn: not a role";
  }
  if (s3AuthenticationType === undefined) return "s3AuthenticationType: required";
  if (settings.s3AccessKeyId === undefined) return "s3AccessKeyId: required";
  return secrets.s3SecretAccessKey === undefined ? "s3SecretAccessKey: required" : undefined;
}

/** A version 4 UUID of random bytes. */
function uuid(bytes: Uint8Array): string {
  const marked = Uint8Array.from(bytes, (byte, i) => (i === 6 ? (byte & 15) | 64 : i === 8 ? (byte & 63) | 128 : byte));
  return toHex(marked).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
