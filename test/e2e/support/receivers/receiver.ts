// A receiver of log streams as a child process on loopback. It can be ended and started again with what it has stored.
import { receiverBinaries } from "../../../clients/build.ts";
import { Child } from "../child.ts";
import { freeLoopbackPort } from "../local-http.ts";
import { scratchDir } from "../run.ts";

type Program = keyof Awaited<ReturnType<typeof receiverBinaries>>;

/** One receiver; it does not run until it is started. */
export abstract class Receiver {
  /** Of its own; it goes on with what is there. */
  readonly folder: string;
  readonly port: number;
  readonly #program: Program;
  #child: Child | undefined;

  protected constructor(program: Program, port: number) {
    this.#program = program;
    this.folder = scratchDir(program);
    this.port = port;
  }

  /** `host:port`, as an operator names it. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    const binary = (await receiverBinaries())[this.#program];
    this.#child = new Child({ name: this.#program, command: [binary, ...this.args()], cwd: this.folder });
    await this.#child.until("answers", async () => (await fetch(`${this.url}/health`)).ok, { everyMs: 50 });
  }

  async stop(): Promise<void> {
    await this.#child?.stop();
  }

  /** Command line; `/health` must answer with success. */
  protected abstract args(): readonly string[];
}

/** A port for a receiver. */
export const freePort = freeLoopbackPort;
