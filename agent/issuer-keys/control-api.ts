// The calls by which the keys of an issuer are given to the control server.
import { readFile } from "node:fs/promises";
import { readKeySet, type SigningKeySet } from "../../worker/protocol/jwk-set.ts";
import { readAnswer, refusalText } from "../control/api-answer.ts";

const TIMEOUT_MS = 30_000;

/** How the agent proves who it is. */
export type Proof =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "client"; readonly secret: string }
  /** A federated identity, by a token in a file; read each time, since such tokens are short-lived. */
  | { readonly kind: "identity"; readonly clientId: string; readonly tokenFile: string };

/** An issuer as the server knows it. */
export interface KnownIssuer {
  readonly id: string;
  readonly issuer: string;
  /** The keys that it has; undefined: none. */
  readonly set: SigningKeySet | undefined;
  /** When they are no longer good, in milliseconds since 1970; 0: there are none. */
  readonly expiresAt: number;
  readonly lifetimeMs: number;
}

/** What the API says of an issuer. */
interface IssuerReply {
  readonly id: string;
  readonly issuer: string;
  readonly jwks?: unknown;
  readonly keysExpire?: string;
  readonly keysLifetimeSeconds: number;
}

/** The API of a control server as far as it is about keys of issuers. */
export class ControlApi {
  readonly #server: string;
  readonly #proof: Proof;

  constructor(server: string, proof: Proof) {
    this.#server = server;
    this.#proof = proof;
  }

  /** Calls with one access token: a new one for each visit, as visits are rare. @throws Error with the server's words */
  async visit(signal: AbortSignal) {
    const token = await this.#accessToken(signal);
    const call = async <T>(method: string, path: string, body?: unknown) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      return await this.#call<T>(`tailnet/-/${path}`, {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal,
      });
    };
    return {
      /** Issuers whose keys may be set with this proof, or at least seen. */
      issuers: async () => (await call<{ issuers: IssuerReply[] }>("GET", "issuers")).issuers.map(toIssuer),
      setKeys: async (id: string, set: SigningKeySet) =>
        toIssuer(await call<IssuerReply>("PUT", `issuers/${encodeURIComponent(id)}/keys`, set)),
    };
  }

  async #accessToken(signal: AbortSignal): Promise<string> {
    const proof = this.#proof;
    if (proof.kind === "token") return proof.token;
    const isIdentity = proof.kind === "identity";
    const fields = isIdentity
      ? { client_id: proof.clientId, jwt: (await readFile(proof.tokenFile, "utf8")).trim() }
      : { client_secret: proof.secret };
    const path = isIdentity ? "oauth/token-exchange" : "oauth/token";
    const body = new URLSearchParams(fields);
    return (await this.#call<{ access_token: string }>(path, { method: "POST", body, signal })).access_token;
  }

  async #call<T>(path: string, { signal, body, ...init }: RequestInit & { signal: AbortSignal }): Promise<T> {
    const response = await fetch(`${this.#server}/api/v2/${path}`, {
      ...init,
      ...(body && { body }),
      redirect: "error", // the token is for this server alone
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    }).catch((cause: Error) => {
      if (signal.aborted) throw cause;
      const reason = (cause.cause as Error | undefined)?.message ?? cause.message;
      throw new Error(`${this.#server} does not answer: ${reason}`, { cause });
    });
    const text = await response.text();
    const reply = readAnswer(text);
    if (response.ok && reply !== undefined) return reply as T;
    const words = refusalText(response.status, text);
    throw new Error(`${this.#server} refused ${path}: ${words}${this.#advice(response.status)}`);
  }

  /** An agent that is known by keys which it publishes itself has no way back by itself. */
  #advice(status: number): string {
    const isOutOfStep = status === 401 && this.#proof.kind === "identity";
    return isOutOfStep ? "; if its keys have changed meanwhile, an administrator must set them once" : "";
  }
}

function toIssuer({ id, issuer, jwks, keysExpire, keysLifetimeSeconds }: IssuerReply): KnownIssuer {
  const read = readKeySet(jwks);
  return {
    id,
    issuer,
    set: read.ok ? read.set : undefined,
    expiresAt: keysExpire === undefined ? 0 : Date.parse(keysExpire),
    lifetimeMs: keysLifetimeSeconds * 1000,
  };
}
