// Log streams through the public API: settings, delivery to each kind of destination, retries, what survives a restart.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { signS3 } from "../../worker/tailnet/log-streams/sign-s3.ts";
import {
  call,
  endPause,
  happen,
  linesOf,
  outside,
  ringUntil,
  type Sent,
  STREAM,
  set,
  status,
} from "./support/log-stream.ts";
import { evict } from "./support/tailnet.ts";

const S3 = {
  destinationType: "s3",
  s3Bucket: "audit-logs",
  s3Region: "eu-central-1",
  s3KeyPrefix: "tailnet/",
  s3AuthenticationType: "accesskey",
  s3AccessKeyId: "AKIDEXAMPLE",
  s3SecretAccessKey: "s3-secret-value",
} as const;
const SPLUNK = {
  destinationType: "splunk",
  url: "https://splunk.example.com:8088/services/collector/event",
  token: "hec-token",
};
afterEach(async () => {
  vi.restoreAllMocks();
  await call(STREAM, "DELETE");
});

const emails = (entries: { new: Record<string, { email: string }> }[]) =>
  entries.map((entry) => entry.new.security?.email);

describe("settings", () => {
  it("read back without secrets, each log by itself, replaced whole and removed", async () => {
    expect((await call(STREAM, "GET")).status).toBe(404);
    expect((await set({ ...S3, url: "", user: "user", uploadPeriodMinutes: 0 })).json).toEqual({});
    const { s3SecretAccessKey: _secret, ...shown } = S3;
    const read = await call(STREAM, "GET");
    expect(read.json).toEqual({ logType: "configuration", ...shown, user: "user", compressionFormat: "none" });
    expect(read.text).not.toContain("s3-secret");
    expect((await call(STREAM.replace("configuration", "network"), "GET")).status).toBe(404);
    await set({ ...SPLUNK, uploadPeriodMinutes: 5, compressionFormat: "gzip" });
    const { token: _token, ...splunk } = SPLUNK;
    expect((await call(STREAM, "GET")).json).toEqual({
      logType: "configuration",
      ...splunk,
      uploadPeriodMinutes: 5,
      compressionFormat: "gzip",
    });
    const log = await call(
      "/tailnet/-/logging/configuration?start=2020-01-01T00:00:00Z&end=2099-01-01T00:00:00Z",
      "GET",
    );
    expect(log.text).toContain("LOGSTREAM_ENDPOINT");
    expect(log.text).not.toMatch(/s3-secret-value|hec-token/);
    expect((await call(STREAM, "DELETE")).json).toEqual({});
    for (const [path, method] of [
      [STREAM, "GET"],
      [STREAM, "DELETE"],
      [`${STREAM}/status`, "GET"],
    ] as const) {
      expect((await call(path, method)).status).toBe(404);
    }
  });

  it("write what says where Google's credentials come from in one spelling, and say what is of no use", async () => {
    const gcsCredentials = `{ "token_url": "https://sts.example.com/?a=1&b=2", "type": "external_account",
      "credential_source": { "url": "http://u", "environment_id": "aws1", "other": 1 }, "unknown": true }`;
    await set({ destinationType: "gcs", gcsBucket: "logs", gcsScopes: ["a"], gcsCredentials });
    expect((await call(STREAM, "GET")).json).toMatchObject({
      gcsScopes: ["a"],
      gcsCredentials:
        '{"type":"external_account","token_url":"https://sts.example.com/?a=1\\u0026b=2","credential_source":{"environment_id":"aws1","url":"http://u"}}',
    });
    expect((await status()).lastError).toContain("want an identity of AWS");
  });

  it("of the flow log are kept, and its status says that there is none", async () => {
    const FLOWS = STREAM.replace("configuration", "network");
    expect((await call(FLOWS, "PUT", SPLUNK)).json).toEqual({});
    expect((await call(FLOWS, "GET")).json).toMatchObject({ logType: "network", url: SPLUNK.url });
    expect((await call(`${FLOWS}/status`, "GET")).json).toMatchObject({
      lastActivity: "0001-01-01T00:00:00Z",
      lastError: expect.stringContaining("no flow logs"),
      numTotalRequests: 0,
    });
    await call(FLOWS, "DELETE");
  });

  it.each([
    {},
    { destinationType: "file" },
    { destinationType: "splunk" },
    { ...SPLUNK, url: "https://127.0.0.1:8088/" },
    { ...SPLUNK, url: "https://metadata.google.internal/" },
    { ...SPLUNK, url: "https://user:pass@splunk.example.com/" },
    { ...SPLUNK, url: "file:///etc/passwd" },
    { ...SPLUNK, url: `https://splunk.example.com/${"x".repeat(5_000)}` },
    { ...SPLUNK, token: "a\r\nx-injected: 1" },
    { ...SPLUNK, uploadPeriodMinutes: 1_441 },
    { ...SPLUNK, compressionFormat: "lzma" },
    { ...S3, s3Bucket: "../other" },
    { ...S3, s3Region: "eu central" },
    { ...S3, s3SecretAccessKey: "" },
    { ...S3, s3AuthenticationType: "rolearn", s3RoleArn: "role" },
    { ...S3, url: "http://[::1]/" },
    { ...S3, url: "http://10.0.0.5:9001/" },
    { ...S3, url: "http://10.0.0.6:9000/" },
    { ...S3, url: "http://user@10.0.0.5:9000/" },
    { ...SPLUNK, url: "https://receiver.lan/" },
    { ...SPLUNK, url: "https://receiver.lan.:8088/" },
    { ...SPLUNK, url: "https://other.receiver.lan:8088/" },
    { ...SPLUNK, url: "ftp://receiver.lan:8088/" },
  ])("refuse %j", async (body) => {
    expect(await set(body)).toMatchObject({ status: 400, json: { message: expect.any(String) } });
    expect((await call(STREAM, "GET")).status).toBe(404);
  });
});

describe("delivery", () => {
  it("starts with what happens after the stream was set, in order and once, and counts it", async () => {
    const sent = outside(() => 200);
    await happen("before");
    await set(SPLUNK);
    await happen("first");
    await happen("second");
    const arrived = () => sent.flatMap(({ body }) => linesOf(body));
    await ringUntil(() => {
      const entries = arrived().map(({ event }) => event);
      expect(emails(entries.filter((entry) => entry.target.property === "ACCOUNT_EMAIL"))).toEqual([
        "first@example.com",
        "second@example.com",
      ]);
    });
    const [request] = sent as [Sent];
    expect(request).toMatchObject({ url: SPLUNK.url, method: "POST", headers: { authorization: "Splunk hec-token" } });
    const events = arrived();
    expect(events[0]).toEqual({ time: expect.any(Number), event: expect.objectContaining({ type: "CONFIG" }) });
    await ringUntil(async () =>
      expect(await status()).toMatchObject({
        lastError: "",
        numEntriesSent: events.length,
        numTotalRequests: sent.length,
        numFailedRequests: 0,
        maxBodySize: Math.max(...sent.map(({ body }) => body.length)),
        numBytesSent: sent.reduce((sum, { body }) => sum + body.length, 0),
      }),
    );
  });

  it.each([500, 302])("that is answered %i is tried again later and goes on where it was", async (answer) => {
    let present = answer;
    const sent = outside(() => present);
    await set({ ...SPLUNK, destinationType: "axiom" });
    await happen(`kept-${answer}`);
    await ringUntil(() => expect(sent.length).toBeGreaterThan(0));
    await ringUntil(async () =>
      expect(await status()).toMatchObject({ lastError: `the endpoint answered ${answer}`, numEntriesSent: 0 }),
    );
    const pause = await runInDurableObject(tailnetFor(env), (_, { storage }) => {
      const { state } = storage.sql.exec<{ state: string }>("select state from log_stream_states").one();
      return JSON.parse(state).notBefore - Date.now();
    });
    expect(pause).toBeGreaterThan(5_000);
    const failed = sent.length;
    present = 204;
    await endPause();
    await evict();
    await happen("later");
    await ringUntil(() => {
      const entries = sent.slice(failed).flatMap(({ body }) => linesOf(body));
      const arrived = emails(entries.filter(({ target }) => target.property === "ACCOUNT_EMAIL"));
      expect(arrived).toEqual([`kept-${answer}@example.com`, "later@example.com"]);
    });
    await ringUntil(async () => expect((await status()).lastError).toBe(""));
  });

  it.each([
    [
      "elastic",
      { url: "https://es.example.com/logs-tailnet?pipeline=a", user: "me" },
      { authorization: `Basic ${btoa("me:t")}` },
    ],
    ["panther", {}, { authorization: "Bearer t" }],
    ["cribl", {}, { authorization: "t" }],
    ["crowdstrike", {}, { authorization: "Bearer t" }],
    ["datadog", {}, { "dd-api-key": "t" }],
    ["axiom", {}, { authorization: "Bearer t" }],
  ])("to %s is in its form and shows the token its way", async (destinationType, more, headers) => {
    const sent = outside(() => 200);
    await set({ destinationType, url: "https://logs.example.com/in", token: "t", ...more });
    await happen(destinationType);
    await ringUntil(() => expect(sent.length).toBeGreaterThan(0));
    const [{ url, body, headers: shown }] = sent as [Sent];
    expect(shown).toMatchObject(headers);
    expect(url).toBe(
      destinationType === "elastic"
        ? "https://es.example.com/logs-tailnet/_bulk?pipeline=a"
        : "https://logs.example.com/in",
    );
    const values = destinationType === "datadog" ? JSON.parse(new TextDecoder().decode(body)) : linesOf(body);
    if (destinationType === "elastic")
      expect(values.slice(0, 2)).toEqual([
        { create: {} },
        expect.objectContaining({ "@timestamp": expect.any(String) }),
      ]);
    else expect(values[0].event ?? values[0]).toMatchObject({ type: "CONFIG" });
  });

  it.each([
    ["gzip", (body: Uint8Array) => gunzipSync(body)],
    ["zstd", (body: Uint8Array) => zstdDecompressSync(body)],
  ])("compresses with %s", async (compressionFormat, decompress) => {
    const sent = outside(() => 200);
    await set({ ...SPLUNK, compressionFormat });
    await happen(compressionFormat);
    await ringUntil(() => expect(sent.length).toBeGreaterThan(0));
    const [{ body, headers }] = sent as [Sent];
    expect(headers["content-encoding"]).toBe(compressionFormat);
    expect(linesOf(decompress(body))[0].event.type).toBe("CONFIG");
  });

  it("to S3 puts signed objects, the same one again after a failure", async () => {
    let answer = 503;
    const sent = outside(() => answer);
    await set(S3);
    await happen("object");
    await ringUntil(() => expect(sent.length).toBeGreaterThan(0));
    await ringUntil(async () => expect((await status()).numFailedRequests).toBeGreaterThan(0));
    answer = 200;
    await endPause();
    await happen("more");
    await ringUntil(async () => expect((await status()).numEntriesSent).toBeGreaterThan(0));
    const [first, again] = [sent[0], sent.at(-1)] as [Sent, Sent];
    expect(again.url).toMatch(
      /^https:\/\/audit-logs\.s3\.eu-central-1\.amazonaws\.com\/tailnet\/\d{4}(\/\d\d){4}\/\d\d-\d+\.json$/,
    );
    expect(again.url.split("-").at(-1)).toBe(first.url.split("-").at(-1));
    const { authorization, "x-amz-date": time = "", ...headers } = again.headers;
    const now = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
    const credentials = { accessKeyId: S3.s3AccessKeyId, secretAccessKey: S3.s3SecretAccessKey, region: S3.s3Region };
    const unsigned = {
      method: "PUT",
      url: again.url,
      headers: { "content-type": headers["content-type"] ?? "" },
      body: again.body,
    } as const;
    expect(authorization).toBe(signS3(unsigned, credentials, now).authorization);
    expect(linesOf(again.body)[0].type).toBe("CONFIG");
  });

  it("to a server that speaks S3 goes to its URL, by path", async () => {
    const sent = outside(() => 200);
    await set({ ...S3, url: "https://minio.example.com:9000/", compressionFormat: "gzip" });
    await happen("path");
    await ringUntil(() => expect(sent.length).toBeGreaterThan(0));
    expect(sent[0]?.url).toMatch(/^https:\/\/minio\.example\.com:9000\/audit-logs\/tailnet\/.*\.json\.gz$/);
  });

  it.each([
    ["by-name", { ...SPLUNK, url: "http://receiver.lan:8088/services/collector/event" }],
    ["by-address", { ...S3, url: "http://10.0.0.5:9000" }],
    ["by-number", { ...S3, url: "http://167772165:9000" }], // the same address, as URLs allow to write it
  ])("to a private receiver that the operator has named (%s) takes the way that leads there", async (how, stream) => {
    const sent = outside(() => 200);
    expect((await set(stream)).json).toEqual({});
    await happen(how);
    await ringUntil(async () => expect((await status()).lastError).toBe("the endpoint answered 418"));
    expect(sent).toEqual([]);
  });

  it("lets the alarm rest when nobody wants logs", async () => {
    const sent = outside(() => 200);
    await set(SPLUNK);
    await call(STREAM, "DELETE");
    await happen("alone");
    await runDurableObjectAlarm(tailnetFor(env));
    expect(sent).toEqual([]);
    const alarm = await runInDurableObject(tailnetFor(env), (_, { storage }) => storage.getAlarm());
    expect(alarm ?? Number.POSITIVE_INFINITY).toBeGreaterThan(Date.now() + 10_000);
  });
});

describe("external ids", () => {
  const PATH = "/tailnet/-/aws-external-id";
  const make = async (body?: unknown) => (await call(PATH, "POST", body)).json;

  it("are new each time, or the same until a stream uses it", async () => {
    const once = await make({ reusable: false });
    expect(once).toEqual({
      externalId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      tailscaleAwsAccountId: expect.stringMatching(/^\d{12}$/),
    });
    expect((await make()).externalId).not.toBe(once.externalId);
    const { externalId } = await make({ reusable: true });
    expect((await make({ reusable: true })).externalId).toBe(externalId);
    await set({
      ...S3,
      s3AuthenticationType: "rolearn",
      s3RoleArn: "arn:aws:iam::123456789012:role/logs",
      s3ExternalId: externalId,
    });
    expect((await make({ reusable: true })).externalId).not.toBe(externalId);
    const check = async (id: string) =>
      await call(`${PATH}/${id}/validate-aws-trust-policy`, "POST", { roleArn: "arn:aws:iam::123456789012:role/logs" });
    expect(await check(externalId)).toMatchObject({
      status: 422,
      json: { message: expect.stringContaining("the status of the stream") },
    });
    expect((await check("unknown")).status).toBe(404);
  });
});
