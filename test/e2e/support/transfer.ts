// A download that goes on until somebody ends it, to see what becomes of a connection while other things happen. Its far
// end is `/drip` of web-server.ts.
import { Child, type Exit } from "./child.ts";
import type { Namespace } from "./netns.ts";
import { until } from "./until.ts";

/** A running download. */
export interface Transfer {
  /** Waits until something more has arrived over the same connection. @throws Error when nothing does in time */
  untilMore(timeoutMs?: number): Promise<void>;
  /** Waits until nothing has arrived for a second, or the connection has ended. */
  untilSilent(timeoutMs?: number): Promise<void>;
  stop(): Promise<Exit>;
}

const silenceMs = 1_000;

const program = `
  require("node:http").get(process.argv[1], (response) => {
    response.on("data", (chunk) => console.log(String(chunk.length)));
  });
`;

/** Starts a download in a namespace and waits for its first bytes. */
export async function startTransfer(namespace: Namespace, url: string): Promise<Transfer> {
  let chunks = 0;
  let lastAt = 0;
  const child = new Child({
    name: "transfer",
    namespace,
    command: [process.execPath, "-e", program, url],
    onLine: () => {
      chunks++;
      lastAt = performance.now();
    },
  });
  const untilMore = async (timeoutMs = 60_000) => {
    const before = chunks;
    await child.until("more of it", () => chunks > before, { timeoutMs, everyMs: 20 });
  };
  await untilMore();
  return {
    untilMore,
    untilSilent: async (timeoutMs = 60_000) => {
      await until("silence", () => performance.now() - lastAt > silenceMs, { timeoutMs });
    },
    stop: () => child.kill(),
  };
}
