// Requests to endpoints that an administrator named: redirects are not followed, of a reply no more is read than is wanted.
// They reach public addresses; private ones only at a host and port that the operator of the deployment has named.
import { concat, fromUtf8 } from "../protocol/bytes.ts";
import { hostPortOf, type PrivateWorld } from "../protocol/private-receivers.ts";
import { receiverUrlProblem } from "../tailnet/entities/configuration/receiver-url.ts";

/** What is sent. */
export interface OutsideRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HeadersInit;
  readonly body: BodyInit;
}

/** What came of it. */
export interface OutsideAnswer {
  /** What went wrong, in words; empty: it arrived. */
  readonly error: string;
  /** The reply's body, whatever its status; undefined: longer than was wanted. */
  readonly text: string | undefined;
}

/** How long it may take, the reply included, and how many bytes of a reply are wanted; 0: none. */
export interface OutsideLimits {
  readonly timeoutMs: number;
  readonly replyMax?: number;
}

/** Sends one. The promise never rejects. */
export async function sendOutside(
  { url, ...request }: OutsideRequest,
  { receivers, network }: PrivateWorld,
  { timeoutMs, replyMax = 0 }: OutsideLimits,
): Promise<OutsideAnswer> {
  const problem = receiverUrlProblem(url, { maxLength: Number.POSITIVE_INFINITY, privateReceivers: receivers });
  if (problem !== undefined) return { error: `the endpoint ${problem}`, text: undefined }; // named no longer
  try {
    const init = { ...request, redirect: "manual", signal: AbortSignal.timeout(timeoutMs) } as const;
    const isPrivate = receivers.has(hostPortOf(new URL(url)));
    const response = await (isPrivate && network !== undefined ? network.fetch(url, init) : fetch(url, init));
    const text = await readUpTo(response, replyMax);
    return { error: response.ok ? "" : `the endpoint answered ${response.status}`, text };
  } catch (error) {
    const reason = error instanceof Error ? error.message : "unknown reason";
    return { error: `the endpoint can not be reached: ${reason}`, text: undefined };
  }
}

async function readUpTo({ body }: Response, max: number): Promise<string | undefined> {
  if (body === null) return "";
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  for (let length = 0; length <= max && max > 0; ) {
    const { done, value } = await reader.read();
    if (done) return fromUtf8(concat(chunks));
    length += value.length;
    chunks.push(value);
  }
  await reader.cancel();
  return undefined;
}
