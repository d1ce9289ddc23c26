// Keeps the keys that the control server has for an issuer those that the issuer publishes.
import type { SigningKeySet } from "../../worker/protocol/jwk-set.ts";
import type { KnownIssuer } from "./control-api.ts";
import type { PublishedKeys } from "./issuer-source.ts";

/** What the keeper reads from. */
export interface Source {
  read(signal: AbortSignal): Promise<PublishedKeys>;
}

/** What it writes to. */
export interface Control {
  visit(signal: AbortSignal): Promise<{
    issuers(): Promise<readonly KnownIssuer[]>;
    setKeys(id: string, set: SigningKeySet): Promise<KnownIssuer>;
  }>;
}

/** What a round found and did. */
export interface Round {
  readonly issuer: string;
  /** Ids of the keys; an empty text stands for a key without one. */
  readonly keyIds: readonly string[];
  /** `set`: they were others, or none; `confirmed`: the same, for longer; `unchanged`: nothing was to do. */
  readonly outcome: "set" | "confirmed" | "unchanged";
  /** When the server stops believing them unless they are confirmed, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Rounds over one issuer. */
export class KeyKeeper {
  readonly #source: Source;
  readonly #control: Control;
  readonly #intervalMs: number;
  readonly #now: () => number;
  #last: { readonly text: string; readonly known: KnownIssuer } | undefined;

  /** `intervalMs` is the time between rounds at most. */
  constructor(source: Source, control: Control, intervalMs: number, now: () => number = Date.now) {
    this.#source = source;
    this.#control = control;
    this.#intervalMs = intervalMs;
    this.#now = now;
  }

  /** One round. The server is asked only when the keys have changed or must be confirmed. @throws Error */
  async round(signal: AbortSignal): Promise<Round> {
    const { issuer, set } = await this.#source.read(signal);
    const text = JSON.stringify(set);
    const keyIds = set.keys.map(({ kid }) => kid ?? "");
    const last = this.#last;
    if (last?.text === text && last.known.issuer === issuer && !this.#isDue(last.known)) {
      return { issuer, keyIds, outcome: "unchanged", expiresAt: last.known.expiresAt };
    }
    const visit = await this.#control.visit(signal);
    const known = (await visit.issuers()).find((each) => each.issuer === issuer);
    if (known === undefined) {
      throw new Error(`the server has no issuer ${issuer} whose keys may be set with this credential`);
    }
    const isSame = JSON.stringify(known.set) === text;
    const isLeft = isSame && !this.#isDue(known);
    const now = isLeft ? known : await visit.setKeys(known.id, set);
    this.#last = { text, known: now };
    const outcome = isSame ? "confirmed" : "set";
    return { issuer, keyIds, outcome: isLeft ? "unchanged" : outcome, expiresAt: now.expiresAt };
  }

  /** Keys are confirmed with half of their life left, or two rounds. */
  #isDue({ expiresAt, lifetimeMs }: KnownIssuer): boolean {
    return expiresAt - this.#now() <= Math.max(lifetimeMs / 2, 2 * this.#intervalMs);
  }
}

/** An instant as it is told. */
export function timeOf(at: number): string {
  return new Date(at).toISOString();
}
