// A small web server as the far end of a path through the tailnet: behind a subnet router, beside an exit node, or on
// the loopback address of a node that forwards to it.
import { Child, type Exit } from "./child.ts";
import { freeLoopbackPort } from "./local-http.ts";
import type { Namespace } from "./netns.ts";

/** Where it runs and what it says. */
export interface WebServerOptions {
  readonly namespace?: Namespace | undefined;
  /** Address to listen on: the namespace's by default, 127.0.0.1 outside one. */
  readonly address?: string;
  readonly port?: number;
  /** Answer to every path but two: `/from` answers the caller's address, `/drip` a byte every 50 ms without end. */
  readonly body: string;
}

/** A running web server. */
export interface WebServer {
  readonly address: string;
  readonly port: number;
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly child: Child;
  stop(): Promise<Exit>;
}

const program = `
  const [address, port, body] = process.argv.slice(1);
  const server = require("node:http").createServer((request, response) => {
    if (request.url === "/drip") {
      const drip = setInterval(() => response.write("."), 50);
      response.on("close", () => clearInterval(drip));
      return;
    }
    response.end(request.url === "/from" ? request.socket.remoteAddress : body);
  });
  server.listen(Number(port), address, () => console.log("listens"));
`;

/** Starts a web server and waits until it listens. */
export async function startWebServer({ namespace, body, ...options }: WebServerOptions): Promise<WebServer> {
  const address = options.address ?? namespace?.address ?? "127.0.0.1";
  const port = options.port ?? (await freeLoopbackPort());
  let listens = false;
  const child = new Child({
    name: "web-server",
    namespace,
    command: [process.execPath, "-e", program, address, String(port), body],
    onLine: () => {
      listens = true;
    },
  });
  await child.until("listens", () => listens, { everyMs: 20 });
  return { address, port, url: `http://${address}:${port}`, child, stop: () => child.stop() };
}
