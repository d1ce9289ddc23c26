// The public keys of issuers: found by OpenID Connect Discovery 1.0 §4 and kept for an hour, pinned by whoever made the
// federated identity, or given by a program that can reach the issuer (`flarescale issuer-keys`). An issuer is named by an administrator, yet what its addresses lead to is not trusted: https only,
// no addresses of the inside, no redirects, little, and in little time.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { concat, fromUtf8 } from "../../../../protocol/bytes.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import { JWKS_MAX } from "../../../../protocol/limits.ts";
import { type Issuer, keysExpireAt } from "../../../../tailnet/entities/configuration/issuer.ts";

const LIFETIME_MS = 3_600_000;
/** Time between two fetches because of a key that is not known; a flood of forged tokens costs no more than that. */
const REFETCH_FLOOR_MS = 60_000;
const TIMEOUT_MS = 5_000;
/** Issuers remembered at a time. */
const ISSUERS_MAX = 100;

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

interface Entry {
  readonly keys: Promise<JWTVerifyGetKey>;
  readonly fetchedAt: number;
}

/** Keys that issuers publish. */
export class IssuerKeys {
  readonly #fetch: Fetch;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  constructor(fetch: Fetch, now: () => number = () => Date.now()) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /** Finds the key that a token of an issuer is signed with; asks the issuer anew when it is not known. */
  of(issuer: string): JWTVerifyGetKey {
    return async (header, token) => {
      const entry = this.#entryOf(issuer, LIFETIME_MS);
      try {
        return await (await entry.keys)(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        const renewed = this.#entryOf(issuer, REFETCH_FLOOR_MS);
        if (renewed === entry) throw error;
        return await (await renewed.keys)(header, token);
      }
    };
  }

  /** What an issuer publishes, at most `maxAge` old. */
  #entryOf(issuer: string, maxAge: number): Entry {
    const known = this.#entries.get(issuer);
    if (known !== undefined && this.#now() - known.fetchedAt < maxAge) return known;
    if (this.#entries.size >= ISSUERS_MAX) this.#entries.clear();
    const entry = { keys: this.#discover(issuer), fetchedAt: this.#now() };
    this.#entries.set(issuer, entry);
    entry.keys.catch(() => {
      if (this.#entries.get(issuer) === entry) this.#entries.delete(issuer);
    });
    return entry;
  }

  async #discover(issuer: string): Promise<JWTVerifyGetKey> {
    const configuration = await this.#get(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
    if (configuration.issuer !== issuer) throw new Error("issuer publishes another issuer's configuration");
    if (typeof configuration.jwks_uri !== "string") throw new Error("issuer publishes no keys");
    return createLocalJWKSet((await this.#get(configuration.jwks_uri)) as unknown as JSONWebKeySet);
  }

  async #get(address: string): Promise<Record<string, unknown>> {
    if (!isOutside(address)) throw new Error("issuer has an address that may not be asked");
    let response: Response;
    try {
      response = await this.#fetch(address, {
        headers: { accept: "application/json" },
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      throw new Error("issuer can not be reached", { cause });
    }
    if (response.status !== 200) throw new Error(`issuer answers with status ${response.status}`);
    const value = parse(await readLimited(response));
    if (value === undefined) throw new Error("issuer does not answer with a JSON object");
    return value;
  }
}

/** Keys that were given with a federated identity. */
export function pinnedKeys(jwks: string): JWTVerifyGetKey {
  return createLocalJWKSet(JSON.parse(jwks) as JSONWebKeySet);
}

/** Keys that were given for an issuer. @throws Error when there are none, or when nobody has confirmed them for too long */
export function givenKeys(issuer: Issuer, now: number): JWTVerifyGetKey {
  const expireAt = keysExpireAt(issuer);
  if (issuer.jwks === null || expireAt === null) throw new Error("keys of the issuer have not been set yet");
  if (expireAt > now) return pinnedKeys(issuer.jwks);
  throw new Error(`keys of the issuer have expired (${formatTime(expireAt)}): nobody has set them again in time`);
}

/** Whether an address may be asked: https, by a name that is not one of the inside. */
export function isOutside(address: string): boolean {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return false;
  }
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  const isName = /[a-z]/.test(host) && !host.startsWith("[") && host.includes(".");
  const isInside = /(^|\.)(localhost|local|internal|home\.arpa|localdomain)$/.test(host);
  return url.protocol === "https:" && url.username === "" && isName && !isInside;
}

async function readLimited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > JWKS_MAX) throw new Error("issuer answers with too much");
    chunks.push(chunk);
  }
  return fromUtf8(concat(chunks));
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
