// The load program (test/clients/current/cmd/control-load) as a child: one command at a time, answered with what it
// measured.
import { Child } from "../e2e/support/child.ts";

/** A call of a server's REST API. */
export interface ApiRequest {
  readonly method: string;
  readonly url: string;
  readonly header: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What the load shall do; see command in main.go. */
export interface LoadCommand {
  readonly op: "grow" | "maps" | "join" | "leave" | "endpoint" | "request" | "reconnect";
  readonly urls?: readonly string[];
  readonly count?: number;
  readonly hostname?: string;
  readonly member?: number;
  readonly endpoint?: string;
  readonly request?: ApiRequest;
  readonly marker?: string;
  /** How long it may take; two minutes unless given. */
  readonly limitMs?: number;
}

/** What it measured. */
export interface LoadResult {
  readonly ms: number;
  readonly ownMs: number;
  readonly medianMs: number;
  readonly lastMs: number;
  readonly bytes: number;
  readonly messages: number;
  readonly nodeId: number;
}

const LIMIT_MS = 120_000;
/** The load gives up by itself; a load that does not is broken. */
const GRACE_MS = 30_000;

/** A running load program with its fleet of nodes. */
export class Load {
  readonly #child: Child;
  readonly #answers: string[] = [];

  private constructor(child: Child, answers: string[]) {
    this.#child = child;
    this.#answers = answers;
  }

  /** Starts it for one server. @param serverKey `mkey:…` */
  static start(binary: string, name: string, serverKey: string, authKey: string): Load {
    const answers: string[] = [];
    const command = [binary, `-authkey=${authKey}`, `-server-key=${serverKey}`];
    const env = { GOMAXPROCS: "1" }; // the other processor is the server's
    return new Load(new Child({ name, command, env, onLine: (line) => answers.push(line) }), answers);
  }

  /** @throws Error with the load's words when something did not happen */
  async run(command: LoadCommand): Promise<LoadResult> {
    this.#child.send(JSON.stringify(command));
    const line = await this.#child.until("answers", () => this.#answers.shift(), {
      timeoutMs: (command.limitMs ?? LIMIT_MS) + GRACE_MS,
      everyMs: 2,
    });
    const { error, ...result } = JSON.parse(line) as LoadResult & { error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  }

  async stop(): Promise<void> {
    await this.#child.kill();
  }
}
