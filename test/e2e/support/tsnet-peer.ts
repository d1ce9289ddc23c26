// The node inside a Go program (test/clients/current/cmd/tsnet-peer): it serves HTTP on tailnet port 80 and fetches URLs
// through the tailnet on request. The two sides speak JSON lines, described in the program's own source.
import { clientBinaries } from "../../clients/build.ts";
import { Child, type Exit } from "./child.ts";
import type { Environment } from "./command.ts";
import type { Status } from "./local-api.ts";
import type { Reply } from "./local-http.ts";
import type { Namespace } from "./netns.ts";
import { scratchDir } from "./run.ts";
import { unexpectedErrors } from "./tailscaled-log.ts";

/** How to start a peer. */
export interface TsnetPeerOptions {
  readonly controlUrl: string;
  readonly hostname: string;
  /** Without one the peer waits for a login at `loginUrl()`. */
  readonly authKey?: string;
  readonly ephemeral?: boolean;
  readonly tags?: readonly string[];
  readonly namespace?: Namespace | undefined;
  /** State of an earlier peer, to go on with. */
  readonly stateDir?: string;
  readonly env?: Environment;
}

/** Where the peer can be reached. */
export interface PeerAddress {
  readonly hostname: string;
  /** MagicDNS name without the trailing dot. */
  readonly dnsName: string;
  /** IPv4 first. */
  readonly ips: readonly string[];
}

/** One line of the program's output. */
interface PeerEvent {
  readonly event: "state" | "running" | "got" | "pong" | "status" | "error";
  readonly id?: number;
  readonly state?: string;
  readonly authUrl?: string;
  readonly hostname?: string;
  readonly dnsName?: string;
  readonly ips?: readonly string[];
  readonly statusCode?: number;
  readonly body?: string;
  readonly status?: Status;
  readonly error?: string;
}

/** A running peer. */
export class TsnetPeer {
  readonly hostname: string;
  readonly stateDir: string;
  readonly child: Child;
  readonly #events: PeerEvent[] = [];
  #lastId = 0;

  private constructor(binary: string, options: TsnetPeerOptions) {
    this.hostname = options.hostname;
    this.stateDir = options.stateDir ?? scratchDir("tsnet");
    this.child = new Child({
      name: `tsnet-${options.hostname}`,
      namespace: options.namespace,
      env: { HOME: this.stateDir, TS_PANIC_IF_HIT_MAIN_CONTROL: "true", ...options.env },
      command: [
        binary,
        `-control-url=${options.controlUrl}`,
        `-hostname=${options.hostname}`,
        `-dir=${this.stateDir}`,
        `-authkey=${options.authKey ?? ""}`,
        `-ephemeral=${options.ephemeral ?? false}`,
        `-tags=${options.tags?.join(",") ?? ""}`,
        "-verbose",
      ],
      onLine: (line) => this.#events.push(JSON.parse(line) as PeerEvent),
    });
  }

  /** Starts a peer; `untilRunning` or `loginUrl` says when it has come further. */
  static async start(options: TsnetPeerOptions): Promise<TsnetPeer> {
    return new TsnetPeer((await clientBinaries()).current.tsnetPeer, options);
  }

  /** Waits until the peer is in the tailnet and serves, and says where. */
  async untilRunning(timeoutMs = 60_000): Promise<PeerAddress> {
    const { hostname = "", dnsName = "", ips = [] } = await this.#next(({ event }) => event === "running", timeoutMs);
    return { hostname, dnsName, ips };
  }

  /** Waits for the URL at which the control server wants somebody to log in. */
  async loginUrl(timeoutMs = 60_000): Promise<string> {
    return (await this.#next(({ authUrl }) => authUrl !== undefined, timeoutMs)).authUrl ?? "";
  }

  /** The states that it went through, oldest first. */
  get states(): string[] {
    return this.#events.flatMap(({ event, state }) => (event === "state" && state ? [state] : []));
  }

  /** Fetches a URL through the tailnet. */
  async fetch(url: string, timeoutMs = 30_000): Promise<Reply> {
    const { statusCode = 0, body = "" } = await this.#ask({ get: url, timeoutSeconds: timeoutMs / 1000 }, timeoutMs);
    return { status: statusCode, body };
  }

  /** Pings a peer once by its address, as `tailscale ping` does. @throws Error when no answer comes in time */
  async ping(ip: string, timeoutMs = 30_000): Promise<void> {
    await this.#ask({ ping: ip, timeoutSeconds: timeoutMs / 1000 }, timeoutMs);
  }

  async status(): Promise<Status> {
    const { status } = await this.#ask({ status: true }, 10_000);
    if (!status) throw new Error(`${this.child.name}: no status`);
    return status;
  }

  /** Lines of the log that look like errors and are not expected, see `Tailscaled.logErrors`. */
  logErrors(...expectedHere: readonly RegExp[]): string[] {
    return unexpectedErrors(this.child.log(), expectedHere);
  }

  async stop(graceMs?: number): Promise<Exit> {
    return this.child.stop(graceMs);
  }

  async kill(): Promise<Exit> {
    return this.child.kill();
  }

  async #ask(command: object, timeoutMs: number): Promise<PeerEvent> {
    const id = ++this.#lastId;
    this.child.send(JSON.stringify({ id, ...command }));
    const answer = await this.#next((event) => event.id === id, timeoutMs + 30_000);
    if (answer.error !== undefined) throw new Error(`${this.child.name}: ${answer.error}`);
    return answer;
  }

  async #next(wanted: (event: PeerEvent) => boolean, timeoutMs: number): Promise<PeerEvent> {
    return this.child.until("event", () => this.#events.find(wanted), { timeoutMs, everyMs: 20 });
  }
}
