// An HTTP proxy of the careless kind in front of a gateway: it knows nothing of upgrades and drops the headers that ask
// for one, as proxies do that speak only plain HTTP.
import { Child, type Exit } from "./child.ts";
import type { Namespace } from "./netns.ts";

const program = `
  const http = require("node:http");
  const [address, port, upstream] = process.argv.slice(1);
  const server = http.createServer({ shouldUpgradeCallback: () => false }, (request, response) => {
    const { upgrade, connection, ...headers } = request.headers;
    const onward = http.request(new URL(request.url, upstream), { method: request.method, headers }, (reply) => {
      response.writeHead(reply.statusCode, reply.headers);
      reply.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  server.listen(Number(port), address, () => console.log("listens"));
`;

/** Starts the proxy and waits until it listens. */
export async function startPlainProxy(
  namespace: Namespace,
  listen: { readonly address: string; readonly port: number },
  upstream: string,
): Promise<{ stop(): Promise<Exit> }> {
  let listens = false;
  const child = new Child({
    name: "plain-proxy",
    namespace,
    command: [process.execPath, "-e", program, listen.address, String(listen.port), upstream],
    onLine: () => {
      listens = true;
    },
  });
  await child.until("listens", () => listens);
  return { stop: () => child.stop() };
}
