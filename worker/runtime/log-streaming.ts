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
import { type LogEntry, logBody, logRequest, sizeOf, whyUnsendable } from "../tailnet/log-streams/log-request.ts";
import {
  attempted,
  attempting,
  type LogStreamState,
  newLogStreamState,
} from "../tailnet/log-streams/log-stream-state.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { sendOutside } from "./send-outside.ts";

/** How long a request may take; the next keep-alive waits for it, and clients allow for a minute (alarm-clock.ts). */
const TIMEOUT_MS = 10_000;
/** Entries that come together leave together. */
const GATHER_MS = 1_000;
const MINUTE_MS = 60_000;

/** What it works on. */
export interface LogStreamingPorts {
  readonly tailnet: Tailnet;
  readonly auditLog: AuditLog;
  readonly states: LogStreamStates;
  readonly privateWorld: PrivateWorld;
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
    const entries = this.#batch(state.position);
    const [first] = entries;
    if (first === undefined) return;
    const body = await compress(logBody(stream, entries), stream.settings.compressionFormat);
    const request = { ...logRequest(stream, first, body, now), body };
    const error = await sendOutside(request, this.#ports.privateWorld, TIMEOUT_MS);
    // Whoever changed the stream meanwhile has the last word on where it stands.
    const present = this.#ports.states.get("configuration");
    if (present === undefined || present.position !== state.position || this.#stream !== stream) return;
    const attempt = { bytes: body.length, entries: entries.length, last: entries.at(-1)?.id ?? first.id, error };
    this.#ports.states.put("configuration", attempted(state, attempt, Date.now()));
  }

  #batch(position: number): LogEntry[] {
    const entries: LogEntry[] = [];
    let size = 0;
    for (const event of this.#ports.auditLog.after(position, LOG_BATCH_ENTRIES)) {
      const entry = { id: event.id, at: event.at, json: toAuditJson(event) };
      size += sizeOf(entry);
      if (entries.length > 0 && size > LOG_BATCH_CHARACTERS) break;
      entries.push(entry);
    }
    return entries;
  }
}

async function compress(body: Uint8Array, format: LogStream["settings"]["compressionFormat"]): Promise<Uint8Array> {
  if (format === "none") return body;
  return format === "gzip" ? await gzip(body) : zstd(body);
}
