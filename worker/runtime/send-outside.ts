// Requests to endpoints that an administrator named: redirects are not followed, a reply is not read. They reach public
// addresses; private ones only at a host and port that the operator of the deployment has named.
import { hostPortOf, type PrivateWorld } from "../protocol/private-receivers.ts";
import { receiverUrlProblem } from "../tailnet/entities/configuration/receiver-url.ts";

/** What is sent. */
export interface OutsideRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HeadersInit;
  readonly body: BodyInit;
}

/** Sends one. @returns what went wrong, in words; empty: it arrived */
export async function sendOutside(
  { url, ...request }: OutsideRequest,
  { receivers, network }: PrivateWorld,
  timeoutMs: number,
): Promise<string> {
  const problem = receiverUrlProblem(url, { maxLength: Number.POSITIVE_INFINITY, privateReceivers: receivers });
  if (problem !== undefined) return `the endpoint ${problem}`; // the operator has named it no longer
  try {
    const init = { ...request, redirect: "manual", signal: AbortSignal.timeout(timeoutMs) } as const;
    const isPrivate = receivers.has(hostPortOf(new URL(url)));
    const response = await (isPrivate && network !== undefined ? network.fetch(url, init) : fetch(url, init));
    await response.body?.cancel();
    return response.ok ? "" : `the endpoint answered ${response.status}`;
  } catch (error) {
    return `the endpoint can not be reached: ${error instanceof Error ? error.message : "unknown reason"}`;
  }
}
