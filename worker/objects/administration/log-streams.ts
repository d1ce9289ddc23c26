// Log streams (api-v2.md 2.14). Secrets come in and never leave.
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import {
  deleteLogStream,
  makeExternalId,
  putLogStream,
} from "../../tailnet/commands/configuration/manage-log-streams.ts";
import type { ExternalId, LogStream, LogType } from "../../tailnet/entities/configuration/log-stream.ts";
import { whyUnsendable } from "../../tailnet/log-streams/log-request.ts";
import {
  type LogStreamCounts,
  type LogStreamState,
  newLogStreamState,
  ratesOf,
} from "../../tailnet/log-streams/log-stream-state.ts";
import type { ResourceContext } from "./resource-context.ts";

/** A stream without its secrets. */
export type LogStreamRecord = Omit<LogStream, "secrets">;

/** How a stream fares, with what happened per second of late. */
export type LogStreamStatus = Omit<LogStreamState, "recent" | "recentSince"> & { readonly rates: LogStreamCounts };

/** The log streams of a tailnet. */
export class LogStreams {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Where a log is streamed to; null: nowhere. */
  get(id: LogType): LogStreamRecord | null {
    const known = this.#context.tailnet.records["log-streams"].get(id);
    return known === undefined ? null : { id, destination: known.destination, settings: known.settings };
  }

  /** How a stream fares; null: there is none. */
  status(id: LogType): LogStreamStatus | null {
    const stream = this.#context.tailnet.records["log-streams"].get(id);
    if (stream === undefined) return null;
    const now = Date.now();
    const { recent, recentSince, ...state } = this.#context.logStreamStates.get(id) ?? newLogStreamState(0, now);
    const lastError = whyUnsendable(stream) ?? state.lastError;
    return { ...state, lastError, rates: ratesOf({ ...state, recent, recentSince }, now) };
  }

  /** Sets where a log is streamed to. */
  set(stream: LogStream): Outcome<null> {
    const { receivers } = this.#context.settings.privateWorld;
    return this.#context.execute(() => putLogStream(stream, receivers));
  }

  /** Ends a stream. */
  remove(id: LogType): Outcome<null> {
    return this.#context.execute((tailnet) => deleteLogStream(tailnet, id));
  }

  /** An identifier for the trust policy of an AWS role. */
  makeExternalId(isReusable: boolean): Outcome<ExternalId> {
    return this.#context.execute((tailnet, context) => makeExternalId(tailnet, isReusable, context));
  }

  /** Tells whether an identifier was made here. */
  hasExternalId(id: string): boolean {
    return this.#context.tailnet.records["external-ids"].has(id);
  }
}
