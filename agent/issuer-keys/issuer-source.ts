// The keys of an issuer, asked for where it can be reached: OpenID Connect Discovery 1.0 §4, and what a cluster's API
// server has (`/openid/v1/jwks`). An answer is little, comes soon, from nowhere else and over TLS, or it counts for nothing.
import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import https from "node:https";
import { readKeySet, type SigningKeySet } from "../../worker/protocol/jwk-set.ts";
import { JWKS_MAX } from "../../worker/protocol/limits.ts";

const TIMEOUT_MS = 10_000;

/** Where an issuer is reached, and with what. */
export interface IssuerAddress {
  /** Name that it must give itself; undefined: whatever it says. */
  readonly issuer: string | undefined;
  /** URL before `/.well-known/openid-configuration`. */
  readonly address: string;
  /** URL of the keys; undefined: the one that the configuration names. */
  readonly keysAddress: string | undefined;
  /** PEM file with the certificate authorities of `address`; undefined: those that everybody trusts. */
  readonly caFile: string | undefined;
  /** File with a bearer token for `address`; read each time, since such tokens are short-lived. */
  readonly tokenFile: string | undefined;
}

/** What an issuer publishes. */
export interface PublishedKeys {
  readonly issuer: string;
  readonly set: SigningKeySet;
}

/** Reads the keys of one issuer, again and again. */
export class IssuerSource {
  readonly #where: IssuerAddress;
  #kept: { readonly url: string; readonly tag: string; readonly body: string } | undefined;

  constructor(where: IssuerAddress) {
    this.#where = where;
  }

  /** What it publishes now. @throws Error that says what is wrong with it */
  async read(signal: AbortSignal): Promise<PublishedKeys> {
    const { issuer: expected, address, keysAddress } = this.#where;
    const url = `${address.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const { issuer, jwks_uri: named } = parseObject(url, (await this.#get(url, signal)).body);
    if (typeof issuer !== "string" || issuer === "") throw new Error(`${url} names no issuer`);
    if (expected !== undefined && issuer !== expected) {
      throw new Error(`${url} is the configuration of ${printable(issuer)}, not of ${expected}`);
    }
    const keysUrl = keysAddress ?? named;
    if (typeof keysUrl !== "string" || !isHttps(keysUrl)) throw new Error(`${url} names no https address of keys`);
    const read = readKeySet(parseObject(keysUrl, await this.#keys(keysUrl, signal)));
    if (!read.ok) throw new Error(`the key set of ${keysUrl} ${read.problem}`);
    return { issuer, set: read.set };
  }

  async #keys(url: string, signal: AbortSignal): Promise<string> {
    const known = this.#kept?.url === url ? this.#kept : undefined;
    const { status, tag, body } = await this.#get(url, signal, known?.tag);
    if (status === 304 && known !== undefined) return known.body;
    this.#kept = tag === undefined ? undefined : { url, tag, body };
    return body;
  }

  async #get(url: string, signal: AbortSignal, tag?: string) {
    // Neither the token nor the private authorities are anybody's but those of the address that they were given for.
    const isOurs = new URL(url).origin === new URL(this.#where.address).origin;
    const { caFile, tokenFile } = this.#where;
    const ca = isOurs && caFile !== undefined ? await readFile(caFile, "utf8") : undefined;
    const token = isOurs && tokenFile !== undefined ? (await readFile(tokenFile, "utf8")).trim() : undefined;
    const options: https.RequestOptions = {
      agent: false, // no socket outlives its answer
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      headers: {
        accept: "application/json, application/jwk-set+json",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(tag !== undefined && { "if-none-match": tag }),
      },
      ...(ca !== undefined && { ca }),
    };
    try {
      return await answerTo(url, options, tag !== undefined);
    } catch (error) {
      if (error instanceof BadAnswer || signal.aborted) throw error;
      const reason = (error as Error).name === "TimeoutError" ? "no answer in time" : (error as Error).message;
      throw new Error(`${url} can not be asked: ${reason}`, { cause: error });
    }
  }
}

class BadAnswer extends Error {}

async function answerTo(url: string, options: https.RequestOptions, mayBeUnchanged: boolean) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    https.get(url, options, resolve).once("error", reject);
  });
  const status = response.statusCode ?? 0;
  try {
    if (status !== 200 && !(mayBeUnchanged && status === 304)) throw new BadAnswer(`${url} ${refusal(status)}`);
    return { status, tag: response.headers.etag, body: await bodyOf(url, response) };
  } finally {
    response.destroy();
  }
}

async function bodyOf(url: string, response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > JWKS_MAX) throw new BadAnswer(`${url} answers with more than ${JWKS_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refusal(status: number): string {
  if (status >= 300 && status < 400) return `redirects (${status}), which is not followed`;
  const isDenied = status === 401 || status === 403;
  const advice = "; a cluster lets service accounts read it by the ClusterRole system:service-account-issuer-discovery";
  return `answers with status ${status}${isDenied ? advice : ""}`;
}

function parseObject(url: string, body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // told below
  }
  throw new Error(`${url} does not answer with a JSON object`);
}

/** Whether a text is an https URL that carries no password. */
export function isHttps(text: string): boolean {
  return URL.canParse(text) && /^https:\/\/[^@]+$/.test(text);
}

/** Another's words in a message of ours. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 200);
}
