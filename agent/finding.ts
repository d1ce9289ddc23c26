// What an examination consists of: findings, one per thing that a client needs. A finding says in one sentence what was
// seen and, when that is a problem, in another what to do about it.

/** One finding. `skipped` is what could not be looked at, or what clients do not need here. */
export interface Finding {
  readonly check: string;
  readonly status: "ok" | "problem" | "skipped";
  readonly detail: string;
  readonly advice?: string;
}

/** How long one question to a server may take; clients give up after about the same time. */
export const CHECK_TIMEOUT_MS = 5_000;

/** A finding that is fine. */
export function ok(check: string, detail: string): Finding {
  return { check, status: "ok", detail };
}

/** A finding that keeps clients from working. */
export function problem(check: string, detail: string, advice: string): Finding {
  return { check, status: "problem", detail, advice };
}

/** A finding about nothing. */
export function skipped(check: string, detail: string): Finding {
  return { check, status: "skipped", detail };
}

/** A network failure in words. Nothing that a peer sent is in it. */
export function failureText(error: unknown): string {
  const { code, name, message } = error as NodeJS.ErrnoException;
  if (name === "TimeoutError" || code === "ABORT_ERR" || code === "ETIMEDOUT") return "no answer within 5 s";
  const known: Record<string, string> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection reset",
    EHOSTUNREACH: "host unreachable",
    ENETUNREACH: "network unreachable",
    ENOTFOUND: "the name does not exist",
    EAI_AGAIN: "the DNS resolver does not answer",
    EPROTO: "the answer is not TLS",
  };
  return known[code ?? ""] ?? code ?? message;
}

/** A peer's words for a terminal: printable ASCII, and not many. */
export function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim()
    .slice(0, 200);
}
