// Streams the configuration log to where an administrator wants it: by the object's alarm, some entries at a time, at
// least once and in order. A stream that fails pauses ever longer and goes on where it was.
import type { AuditLog } from "../../db/audit-log.ts";
import type { LogStreamStates } from "../../db/log-stream-states.ts";
import { gzip } from "../platform/gzip.ts";
import { zstd } from "../platform/zstd.ts";
import { LOG_BATCH_CHARACTERS, LOG_BATCH_ENTRIES } from "../protocol/limits.ts";
import type { PrivateWorld } from "../protocol/private-receivers.ts";
import { toAuditJson } from "../tailnet/audit/audit-entry-json.ts";
import type { LogStream } from "../tailnet/entities/configuration/log-stream.ts";
import { readBulkReply } from "../tailnet/log-streams/bulk-reply.ts";
import { type LogEntry, logBody, logRequest, sizeOf, whyUnsendable } from "../tailnet/log-streams/log-request.ts";
import {
  attempted,
  attempting,
  type LogAttempt,
  type LogStreamState,
  newLogStreamState,
} from "../tailnet/log-streams/log-stream-state.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import type { LogAccess } from "./log-access.ts";
import { sendOutside } from "./send-outside.ts";

/** How long a request may take; the next keep-alive waits for it, and clients allow for a minute (alarm-clock.ts). */
const TIMEOUT_MS = 10_000;
/** Entries that come together leave together. */
const GATHER_MS = 1_000;
/** Bytes of a reply that judges entries one by one; there are at most LOG_BATCH_ENTRIES. */
const REPLY_MAX = 2 << 20;
const MINUTE_MS = 60_000;

/** What it works on. */
export interface LogStreamingPorts {
  readonly tailnet: Tailnet;
  readonly auditLog: AuditLog;
  readonly states: LogStreamStates;
  readonly privateWorld: PrivateWorld;
  readonly access: LogAccess;
}

/** The streams of one tailnet. Flow logs have no source here; the status of their stream says so (`whyUnsendable`). */
export class LogStreaming {
  readonly #ports: LogStreamingPorts;

  constructor(ports: LogStreamingPorts) {
    this.#ports = ports;
  }

  /** When something has to be sent next; undefined: nothing waits. */
  nextDueAt(): number | undefined {
    const stream = this.#stream;
    const state = this.#ports.states.get("configuration");
    if (stream === undefined || state === undefined || whyUnsendable(stream) !== undefined) return undefined;
    if (state.postponed?.length) return state.notBefore;
    const [next] = this.#ports.auditLog.after(state.position, 1);
    if (next === undefined) return undefined;
    const gathering = stream.settings.uploadPeriodMinutes ? stream.settings.uploadPeriodMinutes * MINUTE_MS : GATHER_MS;
    return Math.max(state.notBefore, next.at + gathering);
  }

  /** When entries that have just been added are due; undefined: nobody wants them. */
  dueAtFor(now: number): number | undefined {
    return this.#stream === undefined ? undefined : (this.nextDueAt() ?? now);
  }

  /** Follows the streams: a new one starts at the end of the log, the state of one that is gone goes too. */
  follow(now: number): void {
    const { states, auditLog, tailnet } = this.#ports;
    for (const id of ["configuration", "network"] as const) {
      const state = states.get(id);
      const stream = tailnet.records["log-streams"].get(id);
      if (stream === undefined) {
        if (state !== undefined) states.remove(id);
      } else if (state === undefined) states.put(id, newLogStreamState(auditLog.lastId(), now));
      else if (state.failures > 0) states.put(id, { ...state, failures: 0, notBefore: now }); // settings may be right now
    }
  }

  /** Starts to send what is due; the promise never rejects. */
  deliver(now: number): Promise<void> {
    const dueAt = this.nextDueAt();
    const stream = this.#stream;
    const state = this.#ports.states.get("configuration");
    if (stream === undefined || state === undefined || dueAt === undefined || dueAt > now) return Promise.resolve();
    this.#ports.states.put("configuration", attempting(state, now));
    return this.#send(stream, state, now);
  }

  get #stream(): LogStream | undefined {
    return this.#ports.tailnet.records["log-streams"].get("configuration");
  }

  async #send(stream: LogStream, state: LogStreamState, now: number): Promise<void> {
    const [first, ...others] = this.#batch(state);
    if (first === undefined) {
      this.#ports.states.put("configuration", { ...state, postponed: [] }); // the log keeps them no longer
      return;
    }
    const entries = [first, ...others] as const;
    const body = await compress(logBody(stream, entries), stream.settings.compressionFormat);
    const outcome = await this.#put(stream, entries, body, now);
    // Whoever changed the stream meanwhile has the last word on where it stands.
    const present = this.#ports.states.get("configuration");
    if (present === undefined || present.position !== state.position || this.#stream !== stream) return;
    const attempt = { bytes: body.length, entries: entries.map(({ id }) => id), ...outcome };
    this.#ports.states.put("configuration", attempted(state, attempt, Date.now()));
  }

  async #put(
    stream: LogStream,
    entries: readonly [LogEntry, ...LogEntry[]],
    body: Uint8Array,
    now: number,
  ): Promise<Pick<LogAttempt, "error" | "judged">> {
    const { access, privateWorld } = this.#ports;
    const found = await access.grantFor(stream, now);
    if (!found.ok) return { error: found.error };
    const request = { ...logRequest(stream, entries[0], body, { grant: found.grant, now }), body };
    const isJudged = stream.destination === "elastic";
    const limits = { timeoutMs: TIMEOUT_MS, replyMax: isJudged ? REPLY_MAX : 0 };
    const { error, text } = await sendOutside(request, privateWorld, limits);
    if (error !== "") access.forget(stream);
    return isJudged && error === "" ? judge(text, entries.length) : { error };
  }

  /** What was postponed, then what comes next. */
  #batch({ position, postponed = [] }: LogStreamState): LogEntry[] {
    const { auditLog } = this.#ports;
    const again = postponed.length === 0 ? [] : auditLog.those(postponed.map(({ id }) => id));
    const entries: LogEntry[] = [];
    let size = 0;
    for (const event of [...again, ...auditLog.after(position, LOG_BATCH_ENTRIES - again.length)]) {
      const entry = { id: event.id, at: event.at, json: toAuditJson(event) };
      size += sizeOf(entry);
      if (entries.length > 0 && size > LOG_BATCH_CHARACTERS) break;
      entries.push(entry);
    }
    return entries;
  }
}

/** What a destination said of single entries. */
function judge(reply: string | undefined, entries: number): Pick<LogAttempt, "error" | "judged"> {
  if (reply === undefined) {
    const judged = { postponed: new Set<number>(), refused: new Set<number>() };
    return { error: "the endpoint's answer is too long: it may have refused entries", judged };
  }
  const { postponed, refused, reason } = readBulkReply(reply);
  const counts = [
    ...(refused.size > 0 ? [`refused ${refused.size} for good`] : []),
    ...(postponed.size > 0 ? [`postponed ${postponed.size}`] : []),
  ];
  const error = counts.length === 0 ? "" : `of ${entries} entries the endpoint ${counts.join(" and ")}: ${reason}`;
  return { error, judged: { postponed, refused } };
}

async function compress(body: Uint8Array, format: LogStream["settings"]["compressionFormat"]): Promise<Uint8Array> {
  if (format === "none") return body;
  return format === "gzip" ? await gzip(body) : zstd(body);
}
