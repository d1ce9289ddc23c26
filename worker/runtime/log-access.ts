// Credentials of a cloud's store for a log stream, got by a token of this tailnet and kept until shortly before they end.
import type { PrivateWorld } from "../protocol/private-receivers.ts";
import type { LogStream } from "../tailnet/entities/configuration/log-stream.ts";
import {
  type ExternalAccount,
  exchangeRequest,
  type FederationRequest,
  impersonationRequest,
  type LogGrant,
  needsGrant,
  readExternalAccount,
  readRoleReply,
  readTokenReply,
  roleRefusal,
  roleRequest,
  streamClaims,
  type TimedGrant,
  tokenRefusal,
} from "../tailnet/log-streams/federation.ts";
import { printable } from "../tailnet/log-streams/json-text.ts";
import { sendOutside } from "./send-outside.ts";

const LIMITS = { timeoutMs: 5_000, replyMax: 64 << 10 };
/** So long before their end credentials are not used any more. */
const MARGIN_MS = 60_000;

/** What it works on. */
export interface LogAccessPorts {
  readonly privateWorld: PrivateWorld;
  readonly tailnetName: string;
  /** Origin of the deployment; empty: what the stream says. */
  readonly publicUrl: string;
  /** Signs claims with the tailnet's key. */
  sign(claims: object, now: number): string;
}

/** A grant (undefined: none is needed), or what went wrong, in words. */
export type LogAccessResult =
  | { readonly ok: true; readonly grant: LogGrant | undefined }
  | { readonly ok: false; readonly error: string };

type Step = { readonly ok: true; readonly timed: TimedGrant } | { readonly ok: false; readonly error: string };

/** Gets credentials. */
export class LogAccess {
  readonly #ports: LogAccessPorts;
  /** By stream: one that is set anew is another. */
  readonly #known = new WeakMap<LogStream, TimedGrant>();

  constructor(ports: LogAccessPorts) {
    this.#ports = ports;
  }

  /** What opens the destination of a stream. The promise never rejects. */
  async grantFor(stream: LogStream, now: number): Promise<LogAccessResult> {
    if (!needsGrant(stream)) return { ok: true, grant: undefined };
    const known = this.#known.get(stream);
    if (known !== undefined && known.expiresAt - MARGIN_MS > now) return { ok: true, grant: known.grant };
    const { publicUrl, tailnetName } = this.#ports;
    const claims = streamClaims(stream, tailnetName, publicUrl || (stream.origin ?? ""), now);
    const token = this.#ports.sign(claims, now);
    const account = stream.destination === "gcs" ? readExternalAccount(stream.settings.gcsCredentials) : undefined;
    const step =
      account === undefined ? await this.#assume(stream, token) : await this.#exchange(account, stream, token);
    if (!step.ok) return step;
    this.#known.set(stream, step.timed);
    return { ok: true, grant: step.timed.grant };
  }

  /** Forgets what a destination did not take. */
  forget(stream: LogStream): void {
    this.#known.delete(stream);
  }

  async #assume(stream: LogStream, token: string): Promise<Step> {
    return await this.#ask("role", roleRequest(stream, token), readRoleReply, roleRefusal);
  }

  async #exchange(account: ExternalAccount, { settings }: LogStream, token: string): Promise<Step> {
    const read = (text: string) => readTokenReply(text, Date.now());
    const exchanged = await this.#ask("token exchange", exchangeRequest(account, settings, token), read, tokenRefusal);
    if (!exchanged.ok || account.impersonationUrl === undefined) return exchanged;
    const { grant } = exchanged.timed;
    const request = impersonationRequest(
      account.impersonationUrl,
      settings,
      grant.kind === "bearer" ? grant.token : "",
    );
    return await this.#ask("service account", request, read, tokenRefusal);
  }

  async #ask(
    what: string,
    request: FederationRequest,
    read: (text: string) => TimedGrant | undefined,
    refusal: (text: string) => string,
  ): Promise<Step> {
    const { error, text = "" } = await sendOutside(request, this.#ports.privateWorld, LIMITS);
    const timed = error === "" ? read(text) : undefined;
    if (timed !== undefined) return { ok: true, timed };
    const reason = error === "" ? "the answer holds no credentials" : error;
    const words = printable(error === "" ? "" : refusal(text));
    return { ok: false, error: `${what}: ${reason}${words === "" ? "" : ` (${words})`}` };
  }
}
