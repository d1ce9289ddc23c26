// Log streams to stores that give credentials for an identity token of the tailnet: roles of AWS and of servers that speak
// S3, and Google's. The services are stand-ins that answer as their documents say; tokens are verified as they would be.
import { exports } from "cloudflare:workers";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ORIGIN } from "./support/api.ts";
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

const ROLE = {
  destinationType: "s3",
  s3Bucket: "audit-logs",
  s3Region: "eu-central-1",
  s3AuthenticationType: "rolearn",
  s3RoleArn: "arn:aws:iam::123456789012:role/logs",
  s3ExternalId: "external-1",
} as const;
const PROVIDER = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/flarescale";
const ACCOUNT_URL =
  "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/logs@p.iam:generateAccessToken";
const googleCredentials = (fields: object) =>
  JSON.stringify({
    type: "external_account",
    audience: PROVIDER,
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: "https://sts.googleapis.com/v1/token",
    ...fields,
  });
const GCS = {
  destinationType: "gcs",
  gcsBucket: "tailnet-logs",
  gcsKeyPrefix: "a/",
  gcsCredentials: googleCredentials({}),
};

afterEach(async () => {
  vi.restoreAllMocks();
  await call(STREAM, "DELETE");
});

/** Claims of a token that whoever knows the published documents alone finds good. */
async function claimsOf(token: string | null | undefined, audience: string): Promise<Record<string, unknown>> {
  const reply = await exports.default.fetch(`${ORIGIN}/.well-known/jwks.json`);
  const keys = createLocalJWKSet(await reply.json<JSONWebKeySet>());
  return (await jwtVerify(token ?? "", keys, { issuer: ORIGIN, audience, algorithms: ["RS256"] })).payload;
}

describe("settings", () => {
  it.each([
    { destinationType: "gcs", gcsBucket: "logs", gcsCredentials: "[1]" },
    { destinationType: "gcs", gcsBucket: "logs" },
    { ...GCS, gcsBucket: "../logs" },
    { ...GCS, gcsCredentials: googleCredentials({ audience: "https://elsewhere.example.com" }) },
    { ...GCS, gcsCredentials: googleCredentials({ token_url: "http://169.254.169.254/token" }) },
    { ...GCS, gcsCredentials: googleCredentials({ service_account_impersonation_url: "https://localhost/" }) },
    { ...GCS, gcsCredentials: googleCredentials({ universe_domain: "evil.example.com/x" }) },
  ])("refuse %j", async (body) => {
    expect(await set(body)).toMatchObject({ status: 400, json: { message: expect.stringMatching(/^gcs/) } });
    expect((await call(STREAM, "GET")).status).toBe(404);
  });
});

describe("delivery", () => {
  it("to a role at AWS shows a token of this tailnet, once while the credentials last, and signs with them", async () => {
    const role = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Credentials>
      <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>role/secret+</SecretAccessKey>
      <SessionToken>session/token==</SessionToken><Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration>
      </Credentials></AssumeRoleWithWebIdentityResponse>`;
    const sent = outside(({ url }) => (url.startsWith("https://sts.") ? new Response(role) : 200));
    await set(ROLE);
    await happen("role");
    await ringUntil(async () => expect((await status()).numEntriesSent).toBeGreaterThan(0));
    await happen("role-again");
    await ringUntil(() => expect(sent.filter(({ method }) => method === "PUT").length).toBeGreaterThan(1));
    const [first] = sent as [Sent];
    expect([first.method, first.url]).toEqual(["POST", "https://sts.eu-central-1.amazonaws.com/"]);
    const { WebIdentityToken: token, ...fields } = Object.fromEntries(
      new URLSearchParams(new TextDecoder().decode(first.body)),
    );
    expect(fields).toMatchObject({ Action: "AssumeRoleWithWebIdentity", RoleArn: ROLE.s3RoleArn });
    expect(await claimsOf(token, "sts.amazonaws.com")).toMatchObject({ sub: "log-stream:flarescale:external-1" });
    expect(sent.filter(({ url }) => url.startsWith("https://sts."))).toHaveLength(1);
    const put = sent.findLast(({ method }) => method === "PUT") as Sent;
    expect(put.url).toMatch(/^https:\/\/audit-logs\.s3\.eu-central-1\.amazonaws\.com\/.*\.json$/);
    expect(put.headers["x-amz-security-token"]).toBe("session/token==");
    expect(put.headers.authorization).toMatch(/Credential=ASIAEXAMPLE\/.*SignedHeaders=[^,]*x-amz-security-token/);
  });

  it("to a role at a server that speaks S3 asks that server, by a token for it alone; what it refuses is said", async () => {
    const refusal =
      "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not &quot;yours&quot;</Message></Error></ErrorResponse>";
    const sent = outside(() => new Response(refusal, { status: 403 }));
    await set({ ...ROLE, url: "https://minio.example.com:9000/", s3ExternalId: "" });
    await happen("minio");
    await ringUntil(async () =>
      expect((await status()).lastError).toBe('role: the endpoint answered 403 (AccessDenied: not "yours")'),
    );
    expect(sent.map(({ url }) => url)).toEqual(["https://minio.example.com:9000/"]);
    const token = new URLSearchParams(new TextDecoder().decode(sent[0]?.body)).get("WebIdentityToken");
    expect(await claimsOf(token, "https://minio.example.com:9000")).toMatchObject({ sub: "log-stream:flarescale" });
    expect((await status()).numEntriesSent).toBe(0);
  });

  it.each([
    ["federated", undefined, "Bearer federated"],
    ["impersonating", ACCOUNT_URL, "Bearer account-token"],
  ])("to Google's store exchanges a token of this tailnet (%s)", async (name, impersonation, authorization) => {
    const sent = outside(({ url }) => {
      if (url.startsWith("https://sts.")) return Response.json({ access_token: "federated", expires_in: 3_600 });
      if (url !== ACCOUNT_URL) return 200;
      return Response.json({
        accessToken: "account-token",
        expireTime: new Date(Date.now() + 3_600_000).toISOString(),
      });
    });
    await set({ ...GCS, gcsCredentials: googleCredentials({ service_account_impersonation_url: impersonation }) });
    await happen(name);
    await ringUntil(async () => expect((await status()).numEntriesSent).toBeGreaterThan(0));
    const fields = Object.fromEntries(new URLSearchParams(new TextDecoder().decode(sent[0]?.body)));
    expect(fields).toMatchObject({ audience: PROVIDER, subject_token_type: "urn:ietf:params:oauth:token-type:jwt" });
    expect(await claimsOf(fields.subject_token, `https:${PROVIDER}`)).toMatchObject({ sub: "log-stream:flarescale" });
    if (impersonation !== undefined) expect(sent[1]?.headers.authorization).toBe("Bearer federated");
    const put = sent.findLast(({ method }) => method === "PUT") as Sent;
    expect(put.url).toMatch(/^https:\/\/storage\.googleapis\.com\/tailnet-logs\/a\/\d{4}\/.*\.json$/);
    expect(put.headers.authorization).toBe(authorization);
    expect(linesOf(put.body)[0].type).toBe("CONFIG");
  });

  it("to Google's store asks for other credentials once these are refused", async () => {
    let answer = 401;
    const sent = outside(({ url }) =>
      url.startsWith("https://sts.") ? Response.json({ access_token: `t${sent.length}`, expires_in: 3_600 }) : answer,
    );
    await set(GCS);
    await happen("expired");
    await ringUntil(async () => expect((await status()).lastError).toBe("the endpoint answered 401"));
    answer = 200;
    await endPause();
    await happen("renewed");
    await ringUntil(async () => expect((await status()).lastError).toBe(""));
    expect(sent.filter(({ url }) => url.startsWith("https://sts.")).length).toBeGreaterThan(1);
  });
});
