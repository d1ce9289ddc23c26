// A real tailscaled and the tailscale command that drives it, in one of two modes:
//   userspace  no TUN device; programs reach the tailnet through the SOCKS5 and HTTP proxy at `proxyAddress`
//   tun        inside a network namespace, where tailscaled sets up tailscale0, routes, firewall and /etc/resolv.conf
//
// Nothing may leave the machine: log upload, port mapping and cloud look-ups are off (and not even built in, see
// test/clients/build.ts), the vendor's own control server is a panic. What remains (1.80's captive portal detection,
// bootstrap DNS, public DERP regions) cannot get out of a namespace without a default route; on the host only the
// current release runs, and only against a control server on loopback.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClientRelease, clientBinaries } from "../../clients/build.ts";
import { Child, type Exit } from "./child.ts";
import { type Environment, execute, mustExecute, type Output } from "./command.ts";
import {
  getStatus,
  identityToken,
  type NodeStatus,
  type PingType,
  type Pong,
  peersOf,
  ping,
  reauthenticate,
  type Status,
} from "./local-api.ts";
import { fetchThroughProxy, freeLoopbackPort, type Reply } from "./local-http.ts";
import type { Namespace } from "./netns.ts";
import { scratchDir } from "./run.ts";
import { unexpectedErrors } from "./tailscaled-log.ts";
import type { UntilOptions } from "./until.ts";

/** How to start a node. */
export interface TailscaledOptions {
  /** Host name asked for in `up`, also the name of the log. */
  readonly hostname?: string;
  readonly release?: ClientRelease;
  /** Where it runs; the host's own namespace by default. */
  readonly namespace?: Namespace | undefined;
  /** `tun` needs a namespace. */
  readonly mode?: "userspace" | "tun";
  /** State of an earlier node, to go on with; a fresh folder by default. */
  readonly stateDir?: string;
  readonly env?: Environment;
  readonly args?: readonly string[];
}

/** What `tailscale up` does while somebody else logs in. */
export interface InteractiveLogin {
  /** The URL to open. */
  readonly url: string;
  /** Settles when `tailscale up` ends; rejects when it fails. */
  readonly done: Promise<void>;
}

interface Started {
  readonly hostname: string;
  readonly stateDir: string;
  readonly proxyAddress: string;
  readonly namespace: Namespace | undefined;
  readonly cli: string;
}

const quietEnvironment = {
  TS_NO_LOGS_NO_SUPPORT: "true",
  TS_DISABLE_PORTMAPPER: "true",
  TS_PANIC_IF_HIT_MAIN_CONTROL: "true",
  TS_DEBUG_LOG_RATE: "all",
};

/** A running node. */
export class Tailscaled {
  readonly hostname: string;
  readonly stateDir: string;
  /** Host and port of the SOCKS5 proxy, which is an HTTP proxy too. */
  readonly proxyAddress: string;
  readonly namespace: Namespace | undefined;
  readonly child: Child;
  readonly #cli: string;

  private constructor(child: Child, options: Started) {
    this.child = child;
    this.hostname = options.hostname;
    this.stateDir = options.stateDir;
    this.proxyAddress = options.proxyAddress;
    this.namespace = options.namespace;
    this.#cli = options.cli;
  }

  /** Starts a node and waits until its local API answers; it is not logged in yet unless its state says so. */
  static async start(options: TailscaledOptions = {}): Promise<Tailscaled> {
    const { hostname = "node", release = "current", mode = "userspace", namespace } = options;
    if (mode === "tun" && !namespace) throw new Error("a node with a TUN device needs a namespace");
    if (release === "older" && !namespace) throw new Error("the older client runs in a namespace only, see above");
    const { tailscaled, tailscale: cli } = (await clientBinaries())[release];
    const stateDir = options.stateDir ?? scratchDir("ts");
    const proxyAddress = `${namespace?.address ?? "127.0.0.1"}:${await freeLoopbackPort()}`;
    const child = new Child({
      name: `tailscaled-${hostname}`,
      namespace,
      env: { ...quietEnvironment, HOME: stateDir, TS_LOGS_DIR: stateDir, ...options.env },
      command: [
        tailscaled,
        `--tun=${mode === "tun" ? "tailscale0" : "userspace-networking"}`,
        `--statedir=${stateDir}`,
        `--socket=${join(stateDir, "socket")}`,
        `--socks5-server=${proxyAddress}`,
        `--outbound-http-proxy-listen=${proxyAddress}`,
        "--port=0",
        "--verbose=1",
        "--no-logs-no-support",
        ...(options.args ?? []),
      ],
    });
    const node = new Tailscaled(child, { hostname, stateDir, proxyAddress, namespace, cli });
    await child.until("local API answers", () => node.status());
    return node;
  }

  get #socket(): string {
    return join(this.stateDir, "socket");
  }

  get pid(): number {
    return this.child.pid;
  }

  get logPath(): string {
    return this.child.logPath;
  }

  /** Runs the tailscale command; a failure is a code, not an exception. */
  async cli(args: readonly string[], timeoutMs = 60_000): Promise<Output> {
    return execute(this.#command(args), timeoutMs);
  }

  /** Runs the tailscale command and returns what it printed. @throws Error when it fails */
  async run(args: readonly string[], timeoutMs?: number): Promise<string> {
    return mustExecute(this.#command(args), timeoutMs);
  }

  /** `tailscale up` against a control server, with this node's host name; waits until it runs. */
  async up(controlUrl: string, args: readonly string[] = [], timeoutMs = 120_000): Promise<void> {
    await this.run(this.#upArguments(controlUrl, args), timeoutMs);
  }

  /** Starts `tailscale up` without an auth key and returns the URL that the control server wants opened. */
  async login(controlUrl: string, args: readonly string[] = [], timeoutMs = 120_000): Promise<InteractiveLogin> {
    const done = this.run(this.#upArguments(controlUrl, args), timeoutMs).then(() => {});
    done.catch(() => {}); // the caller may look later
    const refused = done.then(() => Promise.reject(new Error("tailscale up needed no login")));
    const url = this.child.until("login URL", async () => (await this.status()).AuthURL || undefined, {
      timeoutMs,
    });
    return { url: await Promise.race([url, refused]), done };
  }

  /** What `tailscale status --json` prints, asked of the local API, which is much cheaper. */
  async status(): Promise<Status> {
    return getStatus(this.#socket);
  }

  /** Waits until its status satisfies `test`, and returns that status. */
  async untilStatus(what: string, test: (status: Status) => boolean, options?: UntilOptions): Promise<Status> {
    const look = async () => {
      const status = await this.status();
      return test(status) && status;
    };
    return this.child.until(what, look, options);
  }

  /** Waits until a peer with that host name satisfies `test`, and returns what the node knows of it. */
  async untilPeer(
    hostname: string,
    test: (peer: NodeStatus) => boolean = () => true,
    options?: UntilOptions,
  ): Promise<NodeStatus> {
    const look = async () => peersOf(await this.status()).find((peer) => peer.HostName === hostname && test(peer));
    return this.child.until(`peer ${hostname}`, look, options);
  }

  /** Starts a new login of a running node, whose present one goes on meanwhile; returns the URL to open. */
  async reauthenticate(): Promise<string> {
    await reauthenticate(this.#socket);
    return (await this.untilStatus("the URL to open", (status) => status.AuthURL !== "")).AuthURL;
  }

  /** Its own IPv4 address in the tailnet. */
  async ip4(): Promise<string> {
    return (await this.run(["ip", "-4"])).trim();
  }

  /**
   * Pings a peer until it answers, as `tailscale ping` does: a packet may be lost.
   * @param target address, host name or MagicDNS name of a peer
   * @throws Error when no answer comes in time
   */
  async ping(target: string, type: PingType = "disco", timeoutMs = 30_000): Promise<Pong> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      try {
        const leftMs = Math.ceil(deadline - performance.now());
        return await ping(this.#socket, target, type, Math.min(5_000, Math.max(1, leftMs)));
      } catch (error) {
        if (performance.now() + 100 >= deadline) throw error;
        await sleep(100);
      }
    }
  }

  /** Pings until the answer comes directly from the peer, not through a relay. */
  async pingDirect(target: string, options?: UntilOptions): Promise<Pong> {
    return this.child.until(
      `direct path to ${target}`,
      async () => {
        const pong = await this.ping(target, "disco", 5_000);
        return pong.path === "direct" && pong;
      },
      options,
    );
  }

  /** A token by which others know the node, for one audience. @throws Error with the control server's words */
  async identityToken(audience: string): Promise<string> {
    return identityToken(this.#socket, audience);
  }

  /** Fetches a URL through its proxy, as a program on a machine in userspace mode does. */
  async fetch(url: string, timeoutMs = 30_000): Promise<Reply> {
    return fetchThroughProxy(this.proxyAddress, url, timeoutMs);
  }

  /** Lines of the log that match. */
  logLines(pattern: RegExp): string[] {
    return this.child.logLines(pattern);
  }

  /**
   * Lines of the log that look like errors, less those that are known to be harmless (tailscaled-log.ts) and those
   * that the scenario itself brings about.
   */
  logErrors(...expectedHere: readonly RegExp[]): string[] {
    return unexpectedErrors(this.child.log(), expectedHere);
  }

  /** Ends it with SIGTERM, then SIGKILL. */
  async stop(graceMs?: number): Promise<Exit> {
    return this.child.stop(graceMs);
  }

  /** Ends it at once. */
  async kill(): Promise<Exit> {
    return this.child.kill();
  }

  #command(args: readonly string[]): string[] {
    const argv = [this.#cli, `--socket=${this.#socket}`, ...args];
    return this.namespace?.command(argv) ?? argv;
  }

  #upArguments(controlUrl: string, args: readonly string[]): string[] {
    const { hostname } = new URL(controlUrl);
    if (!this.namespace && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) {
      throw new Error(`a node outside a namespace may only use a control server on loopback, not ${hostname}`);
    }
    return ["up", `--login-server=${controlUrl}`, `--hostname=${this.hostname}`, ...args];
  }
}
