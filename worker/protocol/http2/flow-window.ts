// Flow-control arithmetic (RFC 9113 §5.2, §6.9). A send window is a signed number: a lowered INITIAL_WINDOW_SIZE may push
// it below 0. A receive window is kept as what the peer used and did not get back, so 0 is the idle state; it is given
// back in steps of HTTP2_WINDOW_RETURN, counted per frame with its padding, in whatever chunks the frame comes.
import { Http2ErrorCode, ProtocolError } from "../errors.ts";
import { HTTP2_WINDOW_RETURN } from "../limits.ts";
import { MAX_WINDOW } from "./frame.ts";

/** A send window after an increment, or after a change of INITIAL_WINDOW_SIZE; undefined above 2^31 − 1. */
export function grow(window: number, increment: number): number | undefined {
  return window + increment > MAX_WINDOW ? undefined : window + increment;
}

/** Like {@link grow}. @throws ProtocolError FLOW_CONTROL_ERROR above 2^31 − 1. */
export function growOrThrow(window: number, increment: number): number {
  const grown = grow(window, increment);
  if (grown === undefined) {
    throw new ProtocolError("http2", "flow-control window is too big", Http2ErrorCode.FLOW_CONTROL_ERROR);
  }
  return grown;
}

/** Whether a WINDOW_UPDATE of `used` bytes is due. */
export function isReturnDue(used: number): boolean {
  return used >= HTTP2_WINDOW_RETURN;
}
