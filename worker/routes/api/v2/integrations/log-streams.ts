// Log streams (api-v2.md 2.14): where logs are sent to. Nothing is asked when a stream is set; its status tells later.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { found, RefusalException, resultOf } from "../../../../middleware/on-error.ts";
import type { LogStreamStatus } from "../../../../objects/administration/log-streams.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import {
  LOG_COMPRESSIONS,
  LOG_DESTINATIONS,
  LOG_TYPES,
  type LogStream,
  type LogType,
} from "../../../../tailnet/entities/configuration/log-stream.ts";
import { apiRoute, body, Done, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";
import { canonicalCredentials } from "./gcs-credentials.ts";

const TAGS = ["Logging"];
/** AWS accounts have twelve digits; this server has none. */
const NO_ACCOUNT = "000000000000";
const LogTypeName = z.enum(LOG_TYPES).openapi({ param: { name: "logType", in: "path" } });
const params = z.object({ tailnet: TailnetName, logType: LogTypeName });
const text = z.string().nullish();

const SHOWN = {
  destinationType: z.enum(LOG_DESTINATIONS),
  url: text.openapi({ example: "https://http-inputs.example.com/services/collector/event" }),
  user: text,
  uploadPeriodMinutes: z.number().int().min(0).max(1_440).nullish(),
  compressionFormat: z.enum(["", ...LOG_COMPRESSIONS]).nullish(),
  s3Bucket: text,
  s3Region: text,
  s3KeyPrefix: text,
  s3AuthenticationType: z.enum(["", "accesskey", "rolearn"]).nullish(),
  s3AccessKeyId: text,
  s3RoleArn: text,
  s3ExternalId: text,
  gcsBucket: text,
  gcsKeyPrefix: text,
  gcsScopes: z.array(z.string()).max(50).nullish(),
  gcsCredentials: text,
};
const Request = z
  .object({ ...SHOWN, token: text, s3SecretAccessKey: text })
  .openapi("LogStreamRequest", { description: "`token` and `s3SecretAccessKey` are never shown again." });
const Configuration = z.object({ logType: z.enum(LOG_TYPES), ...SHOWN }).openapi("LogStream");
const count = z.number();
const Status = z
  .object({
    lastActivity: z.string().openapi({ format: "date-time" }),
    lastError: z.string(),
    maxBodySize: count,
    numBytesSent: count,
    numEntriesSent: count,
    numEntriesRefused: count.openapi({ description: "Of this server: entries that the destination refused for good" }),
    numSpoofedEntries: count,
    numTotalRequests: count,
    numFailedRequests: count,
    rateBytesSent: count,
    rateEntriesSent: count,
    rateTotalRequests: count,
    rateFailedRequests: count,
  })
  .openapi("LogStreamStatus");

const path = "/tailnet/{tailnet}/logging/{logType}/stream" as const;

const getLogStream = apiRoute("getLogStream", {
  method: "get",
  path,
  tags: TAGS,
  summary: "Get where a log is streamed to",
  request: { params },
  responses: { 200: reply(Configuration, "The stream") },
});

const getLogStreamStatus = apiRoute("getLogStreamStatus", {
  method: "get",
  path: "/tailnet/{tailnet}/logging/{logType}/stream/status",
  tags: TAGS,
  summary: "Get how a log stream fares",
  request: { params },
  responses: { 200: reply(Status, "Totals since the stream was made, and rates per second of the last minutes") },
});

const setLogStream = apiRoute("setLogStream", {
  method: "put",
  path,
  tags: TAGS,
  summary: "Set where a log is streamed to",
  description: "What is absent is cleared. The destination is not asked; see the status.",
  request: { params, body: body(Request) },
  responses: { 200: reply(Done, "Done") },
});

const deleteLogStream = apiRoute("deleteLogStream", {
  method: "delete",
  path,
  tags: TAGS,
  summary: "End a log stream",
  request: { params },
  responses: { 200: reply(Done, "Done") },
});

const createAwsExternalId = apiRoute("createAwsExternalId", {
  method: "post",
  path: "/tailnet/{tailnet}/aws-external-id",
  tags: TAGS,
  summary: "Make an external id for an AWS role",
  description:
    "A role is taken on by an identity token of this server (AssumeRoleWithWebIdentity), in whose subject the external id " +
    "stands; there is no AWS account that a trust policy could name.",
  request: {
    params: z.object({ tailnet: TailnetName }),
    body: { ...body(z.object({ reusable: z.boolean().nullish() })), required: false },
  },
  responses: {
    200: reply(z.object({ externalId: z.string(), tailscaleAwsAccountId: z.string() }), "The external id"),
  },
});

const validateAwsTrustPolicy = apiRoute("validateAwsTrustPolicy", {
  method: "post",
  path: "/tailnet/{tailnet}/aws-external-id/{externalId}/validate-aws-trust-policy",
  tags: TAGS,
  summary: "Refused: the status of a log stream tells whether its role is taken on",
  request: {
    params: z.object({
      tailnet: TailnetName,
      externalId: z.string().openapi({ param: { name: "externalId", in: "path" } }),
    }),
    body: body(z.object({ roleArn: z.string() })),
  },
  responses: { 200: reply(Done, "Never") },
});

/** Log streams. */
export const logStreamRoutes = new OpenAPIHono<{ Bindings: Env }>();

logStreamRoutes.openapi(getLogStream, async (c) => {
  const { logType } = c.req.valid("param");
  const stream = found(await c.var.administration.logStreams.get(logType), "log stream");
  const { destination, settings } = stream;
  return c.json(
    { logType, destinationType: destination, ...settings, gcsScopes: settings.gcsScopes && [...settings.gcsScopes] },
    200,
  );
});

logStreamRoutes.openapi(getLogStreamStatus, async (c) => {
  const status = found(await c.var.administration.logStreams.status(c.req.valid("param").logType), "log stream");
  return c.json(toStatus(status), 200);
});

logStreamRoutes.openapi(setLogStream, async (c) => {
  const { origin } = new URL(c.req.url);
  const stream = { ...toStream(c.req.valid("param").logType, c.req.valid("json")), origin };
  resultOf(await c.var.administration.logStreams.set(stream));
  return c.json({}, 200);
});

logStreamRoutes.openapi(deleteLogStream, async (c) => {
  resultOf(await c.var.administration.logStreams.remove(c.req.valid("param").logType));
  return c.json({}, 200);
});

logStreamRoutes.openapi(createAwsExternalId, async (c) => {
  const { reusable } = c.req.valid("json");
  const { id } = resultOf(await c.var.administration.logStreams.makeExternalId(reusable ?? false));
  return c.json({ externalId: id, tailscaleAwsAccountId: NO_ACCOUNT }, 200);
});

logStreamRoutes.openapi(validateAwsTrustPolicy, async (c) => {
  const isKnown = await c.var.administration.logStreams.hasExternalId(c.req.valid("param").externalId);
  if (!isKnown) throw new RefusalException({ reason: "not-found", what: "external id" });
  const message =
    "a trust policy can not be checked before a log stream uses its role: the status of the stream tells what AWS says";
  throw new HTTPException(422, { message });
});

function toStream(id: LogType, request: z.infer<typeof Request>): LogStream {
  const { destinationType, token, s3SecretAccessKey, compressionFormat, gcsCredentials, ...others } = request;
  const isGiven = ([, value]: [string, unknown]) =>
    value !== null && value !== undefined && value !== "" && value !== 0;
  const given = <T extends object>(fields: T) => Object.fromEntries(Object.entries(fields).filter(isGiven));
  const settings = { ...given(others), ...given({ gcsCredentials: canonicalCredentials(gcsCredentials ?? "") }) };
  return {
    id,
    destination: destinationType,
    settings: { ...settings, compressionFormat: compressionFormat || "none" },
    secrets: given({ token, s3SecretAccessKey }),
  };
}

function toStatus({
  lastActivityAt,
  lastError,
  maxBodySize,
  refused = 0,
  total,
  rates,
}: LogStreamStatus): z.infer<typeof Status> {
  return {
    lastActivity: lastActivityAt === 0 ? "0001-01-01T00:00:00Z" : formatTime(lastActivityAt),
    lastError,
    maxBodySize,
    numBytesSent: total.bytes,
    numEntriesSent: total.entries,
    numEntriesRefused: refused,
    numSpoofedEntries: 0,
    numTotalRequests: total.requests,
    numFailedRequests: total.failed,
    rateBytesSent: rates.bytes,
    rateEntriesSent: rates.entries,
    rateTotalRequests: rates.requests,
    rateFailedRequests: rates.failed,
  };
}
