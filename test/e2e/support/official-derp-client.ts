// The official DERP client as a program (test/clients/current/cmd/derp-client), which tells what its relay sends.
import { clientBinaries } from "../../clients/build.ts";
import { Child } from "./child.ts";
import type { RelayKey } from "./relay-keys.ts";

/** One line of the program; which fields there are depends on the event, see its source. */
export interface DerpEvent {
  readonly event:
    | "connected"
    | "lost"
    | "packet"
    | "sent"
    | "pong"
    | "gone"
    | "present"
    | "health"
    | "restarting"
    | "unknown"
    | "error";
  /** `nodekey:…`. */
  readonly key?: string;
  readonly reason: number;
  readonly bytes?: number;
  readonly rate?: number;
  readonly burst?: number;
  readonly problem?: string;
  readonly flags?: number;
  readonly reconnectInMs?: number;
  readonly tryForMs?: number;
}

/** A command of the program, see its source. */
export type DerpCommand =
  | { readonly do: "send"; readonly to: string; readonly bytes: number; readonly count: number }
  | { readonly do: "disco" | "close"; readonly to: string }
  | { readonly do: "prefer"; readonly home: boolean }
  | { readonly do: "ping" };

/** A connected client. */
export class OfficialDerpClient {
  readonly nodeKey: string;
  /** All that was told and not yet taken by {@link next}, oldest first. */
  readonly events: DerpEvent[] = [];
  readonly #child: Child;

  private constructor(binary: string, relay: string, key: RelayKey, options: readonly string[]) {
    this.nodeKey = key.nodeKey;
    const privateKey = `privkey:${Buffer.from(key.privateKey).toString("hex")}`;
    this.#child = new Child({
      name: "derp-client",
      command: [binary, `-relay=${relay}`, `-private-key=${privateKey}`, ...options],
      onLine: (line) => this.events.push(JSON.parse(line) as DerpEvent),
    });
  }

  /** Connects to a relay, given by address and TLS port, and waits until it is let in. */
  static async start(relay: string, key: RelayKey, options: readonly string[] = []): Promise<OfficialDerpClient> {
    const client = new OfficialDerpClient((await clientBinaries()).current.derpClient, relay, key, options);
    await client.#child.until("logged in", () => client.events.some(({ event }) => event === "connected"));
    return client;
  }

  do(command: DerpCommand): void {
    this.#child.send(JSON.stringify(command));
  }

  /** Takes the first event that is as wanted, now or when it comes; those before it are dropped. */
  async next(what: string, wanted: (event: DerpEvent) => boolean): Promise<DerpEvent> {
    const index = await this.#child.until(what, () => {
      const found = this.events.findIndex(wanted);
      return found < 0 ? undefined : { found };
    });
    return this.events.splice(0, index.found + 1).at(-1) as DerpEvent;
  }

  /** Makes a round trip, after which all that was sent before has been handled. */
  async settle(): Promise<void> {
    const pongs = () => this.events.filter(({ event }) => event === "pong").length;
    const before = pongs();
    this.do({ do: "ping" });
    await this.#child.until("pong", () => pongs() > before);
  }

  /** Ends it without a farewell. */
  async kill(): Promise<void> {
    await this.#child.kill();
  }
}
