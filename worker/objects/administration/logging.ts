// The configuration audit log (api-v2.md 2.14).
import type { NumberedAuditEvent } from "../../../db/audit-log.ts";
import { AUDIT_PAGE_CHARACTERS, AUDIT_PAGE_MAX } from "../../protocol/limits.ts";
import type { ResourceContext } from "./resource-context.ts";

/** Entries read from the database at once: few, because each may hold two whole policy files. */
const STEP = 50;

/** Part of the log, with the number after which the next one starts; null: this was the last. */
export interface AuditPage {
  readonly events: readonly NumberedAuditEvent[];
  readonly next: number | null;
}

/** Logs of a tailnet. */
export class Logging {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Entries between two instants, both included, after entry number `after`: as many as one RPC can well carry. */
  configuration(from: number, to: number, after: number): AuditPage {
    const events: NumberedAuditEvent[] = [];
    let [last, characters] = [after, 0];
    while (events.length < AUDIT_PAGE_MAX && characters < AUDIT_PAGE_CHARACTERS) {
      const step = this.#context.auditLog.read({ from, to, after: last, limit: STEP });
      events.push(...step);
      characters += JSON.stringify(step).length;
      last = step.at(-1)?.id ?? last;
      if (step.length < STEP) return { events, next: null };
    }
    return { events, next: last };
  }
}
