// Writers change the tailnet and remember what was acknowledged. A change in flight when the server dies may have been
// made or not, but wholly: what a later look finds must be the value before it or the value after it.
import type { Device } from "../api.ts";
import { ApiError } from "../api.ts";
import { ConnectionLost } from "../control-connection.ts";

/** What the server says of its whole state after a crash. */
export interface Snapshot {
  /** By host name. */
  readonly devices: ReadonlyMap<string, Device>;
  readonly policy: string;
  /** Ids and descriptions of the auth keys that can be used. */
  readonly keys: ReadonlyMap<string, string>;
  readonly searchPaths: readonly string[];
  /** Comments of Services, by name. */
  readonly services: ReadonlyMap<string, string>;
}

/** Changes one thing again and again. */
export interface Writer {
  readonly name: string;
  /** How many changes were acknowledged so far. */
  readonly acknowledged: number;
  /** Makes one change. @throws when it was refused, or when the server went away */
  step(): Promise<void>;
  /** Compares with what is there now, which becomes what was acknowledged. @throws Error that names the loss */
  verify(snapshot: Snapshot): Promise<void>;
}

/** One value on the server. */
export interface CellOptions {
  readonly name: string;
  /** The nth value. */
  value(n: number): string;
  /** Puts a value into force; settles when it is acknowledged. */
  write(value: string): Promise<void>;
  /** The value in force. @throws Error when the state as a whole makes no sense */
  read(snapshot: Snapshot): string;
}

/** Writes one value after another into the same place. */
export class CellWriter implements Writer {
  readonly name: string;
  acknowledged = 0;
  readonly #options: CellOptions;
  #n = 0;
  #last: string | undefined;
  #inFlight: string | undefined;

  constructor(options: CellOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async step(): Promise<void> {
    const value = this.#options.value(++this.#n);
    this.#inFlight = value;
    await this.#options.write(value);
    this.#last = value;
    this.#inFlight = undefined;
    this.acknowledged++;
  }

  async verify(snapshot: Snapshot): Promise<void> {
    const seen = this.#options.read(snapshot);
    if (this.#last !== undefined && seen !== this.#last && seen !== this.#inFlight) {
      throw new Error(`${this.name}: acknowledged ${this.#last}, in flight ${this.#inFlight ?? "nothing"}, is ${seen}`);
    }
    if (this.#last !== undefined) this.#last = seen;
    this.#inFlight = undefined;
  }
}

/** Whether an error means that the server went away, and not that it refused. */
export function isLoss(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500;
  if (error instanceof ConnectionLost) return true;
  return error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError");
}
