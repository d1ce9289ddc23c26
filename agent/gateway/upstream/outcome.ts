// What comes of one try to reach the Worker.
import type { IncomingMessage } from "node:http";
import { type Refusal, refusal } from "../bridge/refusal.ts";
import { REFUSAL_TEXT_MAX } from "../limits.ts";

/** A try that succeeded. */
export interface Opened<Connection> {
  readonly kind: "opened";
  readonly connection: Connection;
}

/** One that failed. */
export interface Failure extends Refusal {
  /** Whether another try makes sense: network errors and 5xx go away when a deploy is over. */
  readonly isPassing: boolean;
  /** Set when the Worker does not know the subprotocol that was asked for. */
  readonly isUnknownProtocol?: true;
}

const STATUS_MAX = 599;

/** Errors of a Worker that is being started anew. */
const PASSING_ERRORS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
]);

/** A connection that could not be made, or broke. */
export function networkFailure(error: NodeJS.ErrnoException): Failure {
  return {
    ...refusal("network", 502, "the control server cannot be reached"),
    detail: error.code ?? error.message,
    isPassing: PASSING_ERRORS.has(error.code ?? ""),
  };
}

/** Turns the Worker's answer that is no 101 into ours: its status, and its text if that is short and plain. */
export async function readFailure(response: IncomingMessage): Promise<Failure> {
  const status = response.statusCode ?? 502;
  const isError = status >= 400;
  const text = isError ? await shortText(response) : undefined;
  return statusFailure(status, text, response.headers["retry-after"]);
}

/** A failure with the Worker's status; one that is no error, or none of HTTP's, makes 502. */
export function statusFailure(status: number, text: string | undefined, retryAfter: string | undefined): Failure {
  const isError = status >= 400 && status <= STATUS_MAX;
  return {
    ...refusal("worker-status", isError ? status : 502, text ?? `the control server answered ${status}`),
    ...(retryAfter !== undefined && { retryAfter }),
    detail: String(status),
    isPassing: status >= 500 && retryAfter === undefined, // a Worker that names a time to come back means it
  };
}

async function shortText(response: IncomingMessage): Promise<string | undefined> {
  if (!/^(text\/plain|application\/json)\b/i.test(response.headers["content-type"] ?? "")) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > REFUSAL_TEXT_MAX) break;
    }
  } catch {
    return undefined; // the status is known, and the words are a courtesy
  }
  const text = Buffer.concat(chunks).subarray(0, REFUSAL_TEXT_MAX).toString("utf8").trim();
  return text === "" ? undefined : text;
}
