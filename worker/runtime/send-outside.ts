// Requests to endpoints that an administrator named: redirects are not followed, a reply is not read.

/** What is sent. */
export interface OutsideRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HeadersInit;
  readonly body: BodyInit;
}

/** Sends one. @returns what went wrong, in words; empty: it arrived */
export async function sendOutside({ url, ...request }: OutsideRequest, timeoutMs: number): Promise<string> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { ...request, redirect: "manual", signal });
    await response.body?.cancel();
    return response.ok ? "" : `the endpoint answered ${response.status}`;
  } catch (error) {
    return `the endpoint can not be reached: ${error instanceof Error ? error.message : "unknown reason"}`;
  }
}
