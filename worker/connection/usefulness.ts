// Whether a connection is worth keeping; asked of each by the alarm that sends keep-alives.
import type { ConnectionState } from "./connection-state.ts";

/** A client that has taken nothing of what waits for it for this long is gone or hostile. */
const HELD_BACK_MAX_MS = 60_000;
/** A client that has not sent a valid request for this long after its handshake never will. */
const SILENCE_MAX_MS = 30_000;

/** Why a connection is not worth keeping: it takes nothing, or its handshake may have been a replay. */
export function whyUseless({ streams, http2, openedAt }: ConnectionState, now: number): string | undefined {
  if (streams.some(({ held }) => held !== undefined && held.since + HELD_BACK_MAX_MS < now))
    return "client takes no data";
  return http2.highestId === 0 && openedAt + SILENCE_MAX_MS < now ? "client asks for nothing" : undefined;
}
