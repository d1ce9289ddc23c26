// The subprotocols that a WebSocket upgrade offers (RFC 6455 §4.1).

/** Whether a subprotocol is among those that a request offers. */
export function offersSubprotocol(headers: Headers, name: string): boolean {
  const offered = (headers.get("sec-websocket-protocol") ?? "").split(",");
  return offered.some((each) => each.trim() === name);
}
