// A receiver of webhook events that checks them as the documentation of webhooks tells receivers to:
//
//   Tailscale-Webhook-Signature: t=<unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" by the whole secret, hex>
//
// It may be down (connections are closed at once) or send callers elsewhere.
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTcpServer, type Server } from "node:net";
import { text } from "node:stream/consumers";
import { freePort } from "./receiver.ts";

const MAX_AGE_SECONDS = 5;

/** An event. */
export interface ReceivedEvent {
  readonly type: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** What a receiver does with requests. */
export type Behaviour = "receives" | "is down" | { readonly redirectsTo: string };

/** A receiver on a port of loopback. */
export class EventReceiver {
  readonly port: number;
  /** Events whose signature is good. */
  readonly events: ReceivedEvent[] = [];
  /** Requests without a good signature. */
  readonly refused: string[] = [];
  /** Requests, and connections while it is down. */
  calls = 0;
  /** Secrets that sign, by path. */
  readonly secrets = new Map<string, string>();
  #server: Server | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(behaviour: Behaviour = "receives"): Promise<EventReceiver> {
    const receiver = new EventReceiver(await freePort());
    await receiver.become(behaviour);
    return receiver;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Changes what it does; open connections are closed. */
  async become(behaviour: Behaviour): Promise<void> {
    await this.stop();
    this.#server = behaviour === "is down" ? this.#closing() : this.#answering(behaviour);
    await once(this.#server.listen(this.port, "127.0.0.1"), "listening");
  }

  async stop(): Promise<void> {
    if (this.#server === undefined) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    if ("closeAllConnections" in this.#server) (this.#server as ReturnType<typeof createServer>).closeAllConnections();
    await closed;
    this.#server = undefined;
  }

  #closing(): Server {
    return createTcpServer((socket) => {
      this.calls++;
      socket.on("error", () => {}).destroy();
    });
  }

  #answering(behaviour: Exclude<Behaviour, "is down">): Server {
    return createServer((request, response) => {
      this.calls++;
      void text(request).then((body) => {
        if (behaviour === "receives") response.writeHead(this.#take(request, body)).end();
        else response.writeHead(307, { location: behaviour.redirectsTo }).end();
      });
    });
  }

  /** @returns the status to answer with */
  #take(request: IncomingMessage, body: string): number {
    if (!this.#isSigned(request, body)) {
      this.refused.push(`${request.url} ${body}`);
      return 403;
    }
    this.events.push(...(JSON.parse(body) as ReceivedEvent[]));
    return 204;
  }

  #isSigned({ headers, url = "" }: IncomingMessage, body: string): boolean {
    const [, time = "", signature = ""] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["tailscale-webhook-signature"])) ?? [];
    const expected = createHmac("sha256", this.secrets.get(url) ?? "no secret").update(`${time}.${body}`);
    const isFresh = Math.abs(Date.now() / 1000 - Number(time)) <= MAX_AGE_SECONDS;
    return isFresh && timingSafeEqual(expected.digest(), Buffer.from(signature.padEnd(64, "0"), "hex"));
  }
}
