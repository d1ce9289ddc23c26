// Access to a cloud's store without a secret of that cloud: the tailnet is an OpenID Connect issuer (docs/identity-tokens.md),
// and clouds give short-lived credentials for a token of an issuer that they were told to trust.
//
//   S3    AssumeRoleWithWebIdentity of the security token service (STS): at AWS that of the region, else at the store itself
//   GCS   token exchange (RFC 8693) as the credentials' configuration says, then perhaps in the name of a service account

import { formatTime } from "../../protocol/control/json.ts";
import type { LogStream, LogStreamSettings } from "../entities/configuration/log-stream.ts";
import { readJsonObject } from "./json-text.ts";

/** What opens a store. */
export type LogGrant =
  | {
      readonly kind: "key";
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken: string;
    }
  | { readonly kind: "bearer"; readonly token: string };

/** A grant and when it ends, in milliseconds since 1970. */
export interface TimedGrant {
  readonly grant: LogGrant;
  readonly expiresAt: number;
}

/** A form to be posted. */
export interface FederationRequest {
  readonly method: "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How credentials for Google's store are come by (https://google.aip.dev/auth/4117), as far as it is understood here. */
export interface ExternalAccount {
  readonly audience: string;
  readonly tokenUrl: string;
  readonly impersonationUrl: string | undefined;
  readonly subjectTokenType: string;
  readonly universe: string;
}

const JWT_TYPES = new Set(["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"]);
const PROVIDER = /^\/\/iam\.[a-z0-9.-]+\/.+$/;
const CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const STORAGE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";
const FORM = { "content-type": "application/x-www-form-urlencoded" };
const LIFETIME_S = 3_600;

/** Whether a stream's destination wants a token of this tailnet. */
export function needsGrant({ destination, settings }: LogStream): boolean {
  return destination === "gcs" || (destination === "s3" && settings.s3AuthenticationType === "rolearn");
}

/** Claims of the token that a stream shows. Its subject can not be that of a device, whose names have no colons. */
export function streamClaims(stream: LogStream, tailnetName: string, issuer: string, now: number): object {
  const { settings } = stream;
  const seconds = Math.floor(now / 1000);
  return {
    iss: issuer,
    sub: ["log-stream", tailnetName, ...(settings.s3ExternalId ? [settings.s3ExternalId] : [])].join(":"),
    aud: audienceOf(stream),
    iat: seconds,
    nbf: seconds - 30,
    exp: seconds + 600,
    domain: tailnetName,
  };
}

/** The token is good for one party alone: whoever gets it can not show it elsewhere. */
function audienceOf({ destination, settings }: LogStream): string {
  if (destination === "gcs") return `https:${readExternalAccount(settings.gcsCredentials)?.audience}`;
  return settings.url === undefined ? "sts.amazonaws.com" : new URL(settings.url).origin;
}

/** Asks for credentials of a role. */
export function roleRequest({ settings }: LogStream, token: string): FederationRequest {
  const { url, s3Region = "", s3RoleArn = "" } = settings;
  const fields = {
    Action: "AssumeRoleWithWebIdentity",
    Version: "2011-06-15",
    RoleArn: s3RoleArn,
    RoleSessionName: "flarescale-log-stream",
    DurationSeconds: String(LIFETIME_S),
    WebIdentityToken: token,
  };
  const sts = url === undefined ? `https://sts.${s3Region}.${awsDomain(s3Region)}` : new URL(url).origin;
  return { method: "POST", url: `${sts}/`, headers: FORM, body: new URLSearchParams(fields).toString() };
}

/** Domain of AWS that a region belongs to. */
export function awsDomain(region: string): string {
  return region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

/** What the service answered; undefined: no credentials. */
export function readRoleReply(text: string): TimedGrant | undefined {
  const [accessKeyId, secretAccessKey, sessionToken, expiration] = [
    "AccessKeyId",
    "SecretAccessKey",
    "SessionToken",
    "Expiration",
  ].map((name) => elementOf(text, name));
  const expiresAt = Date.parse(expiration ?? "");
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAt)) return undefined;
  return { grant: { kind: "key", accessKeyId, secretAccessKey, sessionToken }, expiresAt };
}

/** Why the service gave none, in its words; empty: it did not say. */
export function roleRefusal(text: string): string {
  return [elementOf(text, "Code"), elementOf(text, "Message")].filter((each) => each).join(": ");
}

/** The text of an element of XML that holds no others. */
function elementOf(xml: string, name: string): string | undefined {
  const [, text] = new RegExp(`<${name}>\\s*([^<]*?)\\s*</${name}>`).exec(xml) ?? [];
  const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text?.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => entities[entity] ?? "");
}

/** Reads a configuration of credentials; undefined: it is none that a token of this tailnet could serve. */
export function readExternalAccount(text: string | undefined): ExternalAccount | undefined {
  const given = readJsonObject(text ?? "");
  if (given === undefined) return undefined;
  const field = (name: string) => (typeof given[name] === "string" ? given[name] : "");
  const subjectTokenType = field("subject_token_type");
  if (field("type") !== "external_account" || !JWT_TYPES.has(subjectTokenType)) return undefined;
  return {
    audience: field("audience"),
    tokenUrl: field("token_url"),
    impersonationUrl: field("service_account_impersonation_url") || undefined,
    subjectTokenType,
    universe: field("universe_domain") || "googleapis.com",
  };
}

/** What is wrong with a configuration that is read; undefined: nothing. URLs are not judged here. */
export function externalAccountProblem({ audience, tokenUrl, universe }: ExternalAccount): string | undefined {
  if (!PROVIDER.test(audience)) return "audience must name a workload identity provider (//iam.googleapis.com/…)";
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(universe)) return "universe_domain is not a domain";
  return tokenUrl === "" ? "token_url is missing" : undefined;
}

/** Exchanges a token of this tailnet. */
export function exchangeRequest(
  account: ExternalAccount,
  settings: LogStreamSettings,
  token: string,
): FederationRequest {
  const fields = {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    audience: account.audience,
    scope: account.impersonationUrl === undefined ? scopesOf(settings).join(" ") : CLOUD_SCOPE,
    requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
    subject_token_type: account.subjectTokenType,
    subject_token: token,
  };
  return { method: "POST", url: account.tokenUrl, headers: FORM, body: new URLSearchParams(fields).toString() };
}

/** Asks for a token of the service account. */
export function impersonationRequest(url: string, settings: LogStreamSettings, token: string): FederationRequest {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const body = JSON.stringify({ scope: scopesOf(settings), lifetime: `${LIFETIME_S}s` });
  return { method: "POST", url, headers, body };
}

/** What either answered: `access_token` and `expires_in`, or `accessToken` and `expireTime`. */
export function readTokenReply(text: string, now: number): TimedGrant | undefined {
  const reply = readJsonObject(text) ?? {};
  const token = reply.access_token ?? reply.accessToken;
  const end = typeof reply.expires_in === "number" ? formatTime(now + reply.expires_in * 1000) : reply.expireTime;
  const expiresAt = typeof end === "string" ? Date.parse(end) : Number.NaN;
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token) || Number.isNaN(expiresAt)) return undefined;
  return { grant: { kind: "bearer", token }, expiresAt };
}

/** Why there was no token, in the words of the service; empty: it did not say. */
export function tokenRefusal(text: string): string {
  const { error, error_description: description } = readJsonObject(text) ?? {};
  const nested = typeof error === "object" && error !== null ? (error as { message?: unknown }).message : error;
  return [nested, description].filter((each) => typeof each === "string").join(": ");
}

function scopesOf({ gcsScopes = [] }: LogStreamSettings): readonly string[] {
  return gcsScopes.length > 0 ? gcsScopes : [STORAGE_SCOPE];
}
