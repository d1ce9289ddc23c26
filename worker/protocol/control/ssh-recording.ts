// What a node tells of an SSH session that could not be recorded (tailcfg SSHEventNotifyRequest, control-protocol.md 6.5).
import { SSH_LOCAL_USER_MAX, SSH_RECORDING_MAX_ATTEMPTS, SSH_RECORDING_MAX_TEXT } from "../limits.ts";
import { isJsonObject, type JsonObject, MalformedRequest, readInteger, readString } from "./json.ts";

/** What became of the session. */
export type SSHRecordingEvent = "rejected" | "terminated" | "failed";

/** One recorder that was tried. */
export interface SSHRecordingAttempt {
  /** `ip:port`. */
  readonly recorder: string;
  readonly failure: string;
}

/** A session that is not recorded, as the node that it leads to tells it. */
export interface SSHRecordingReport {
  readonly event: SSHRecordingEvent;
  readonly connectionId: string;
  /** Id of the node that the session comes from. */
  readonly sourceId: number;
  readonly sshUser: string;
  readonly localUser: string;
  readonly attempts: readonly SSHRecordingAttempt[];
}

const EVENTS: ReadonlyMap<number, SSHRecordingEvent> = new Map([
  [1, "rejected"],
  [2, "terminated"],
  [3, "failed"],
]);

/** Reads a report; what is longer than anybody needs is cut. @throws MalformedRequest */
export function parseRecordingReport(body: JsonObject): SSHRecordingReport {
  const event = EVENTS.get(readInteger(body, "EventType") ?? 0);
  if (event === undefined) throw new MalformedRequest("EventType must be 1, 2 or 3");
  const sourceId = body.SrcNode;
  if (!Number.isSafeInteger(sourceId)) throw new MalformedRequest("SrcNode is not an integer");
  const name = (field: string) => (readString(body, field) ?? "").slice(0, SSH_LOCAL_USER_MAX);
  return {
    event,
    connectionId: name("ConnectionID"),
    sourceId: sourceId as number,
    sshUser: name("SSHUser"),
    localUser: name("LocalUser"),
    attempts: readAttempts(body.RecordingAttempts),
  };
}

function readAttempts(value: unknown): SSHRecordingAttempt[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new MalformedRequest("RecordingAttempts is not a list");
  return value.slice(0, SSH_RECORDING_MAX_ATTEMPTS).map((attempt: unknown) => {
    if (!isJsonObject(attempt)) throw new MalformedRequest("RecordingAttempts holds what is no attempt");
    const text = (field: string) => (readString(attempt, field) ?? "").slice(0, SSH_RECORDING_MAX_TEXT);
    return { recorder: text("Recorder"), failure: text("FailureMessage") };
  });
}
