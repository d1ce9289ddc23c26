// Ports of Services as text (tailcfg.ProtoPortRange, control-protocol.md 8.1): `tcp:443`, `tcp:8000-8010`, `443`, `*`.
// Only TCP is served.

/** Ports from one number to another, both included. */
export interface PortSpan {
  readonly first: number;
  readonly last: number;
}

/** Reads a span of ports; undefined when the text is none. */
export function parsePort(text: string): PortSpan | undefined {
  const match = /^(?:tcp:)?(?:(\*)|(\d{1,5})(?:-(\d{1,5}))?)$/.exec(text);
  if (match === null) return undefined;
  if (match[1] !== undefined) return { first: 0, last: 0xffff };
  const first = Number(match[2]);
  const last = Number(match[3] ?? match[2]);
  return first > 0 && first <= last && last <= 0xffff ? { first, last } : undefined;
}
