// A large exchange between two namespaces whose bytes are checked: the far end sends so many bytes of a keystream and
// takes as many of the caller's, both at once over two connections, and each side hashes what it got.
import { createCipheriv, createHash } from "node:crypto";
import { Child } from "./child.ts";
import type { Namespace } from "./netns.ts";

const KEYSTREAM = `
  const { createCipheriv, createHash } = require("node:crypto");
  const { Readable } = require("node:stream");
  function* keystream(bytes) {
    const cipher = createCipheriv("aes-256-ctr", Buffer.alloc(32, 7), Buffer.alloc(16));
    for (let left = bytes; left > 0; left -= 65536) yield cipher.update(Buffer.alloc(Math.min(left, 65536)));
  }`;

const serverProgram = `${KEYSTREAM}
  const [address, port] = process.argv.slice(1);
  require("node:http").createServer((request, response) => {
    const bytes = Number(request.url.slice(1));
    if (request.method === "GET") return Readable.from(keystream(bytes)).pipe(response);
    const hash = createHash("sha256");
    request.on("data", (chunk) => hash.update(chunk)).on("end", () => response.end(hash.digest("hex")));
  }).listen(Number(port), address, () => console.log("listens"));`;

/** It goes on until the test ends it, so that its end is never taken for a failure. */
const clientProgram = `${KEYSTREAM}
  const http = require("node:http");
  const [url, down, up] = process.argv.slice(1);
  const say = (value) => console.log(JSON.stringify(value));
  let received = 0;
  http.get(url + "/" + down, (response) => {
    const hash = createHash("sha256");
    response.on("data", (chunk) => { hash.update(chunk); received += chunk.length; });
    response.on("end", () => say({ received, down: hash.digest("hex") }));
  });
  const put = http.request(url + "/" + up, { method: "PUT" }, (response) => {
    let text = "";
    response.on("data", (chunk) => (text += chunk)).on("end", () => say({ up: text }));
  });
  Readable.from(keystream(Number(up))).pipe(put);
  setInterval(() => say({ received }), 50).unref();
  setInterval(() => {}, 1000);`;

/** What has become of an exchange. */
interface Progress {
  received?: number;
  /** Hashes of what each side got. */
  down?: string;
  up?: string;
}

/** A running exchange. */
export interface Exchange {
  /** Waits until so many bytes have come back. */
  untilReceived(bytes: number, timeoutMs?: number): Promise<void>;
  /** Waits for its end. @throws Error when a hash is wrong, or when it does not end in time */
  untilUnharmed(timeoutMs?: number): Promise<void>;
}

/** Starts the far end; it ends with the test. */
export async function startFarEnd(namespace: Namespace, address: string, port: number): Promise<Child> {
  let listens = false;
  const command = [process.execPath, "-e", serverProgram, address, String(port)];
  const child = new Child({ name: "far-end", namespace, command, onLine: () => (listens = true) });
  await child.until("listens", () => listens, { everyMs: 20 });
  return child;
}

/** Starts an exchange with a far end at `url`. */
export function startExchange(namespace: Namespace, url: string, bytes: { down: number; up: number }): Exchange {
  const progress: Progress = {};
  const child = new Child({
    name: "exchange",
    namespace,
    command: [process.execPath, "-e", clientProgram, url, String(bytes.down), String(bytes.up)],
    onLine: (line) => Object.assign(progress, JSON.parse(line)),
  });
  return {
    untilReceived: async (count, timeoutMs = 60_000) => {
      const { received = 0 } = progress;
      if (received < count)
        await child.until(`${count} bytes`, () => (progress.received ?? 0) >= count, { timeoutMs, everyMs: 20 });
    },
    untilUnharmed: async (timeoutMs = 240_000) => {
      const isDone = () => progress.down !== undefined && progress.up !== undefined;
      if (!isDone()) await child.until("its end", isDone, { timeoutMs, everyMs: 20 });
      const { down, up } = progress;
      if (down !== keystreamHash(bytes.down)) throw new Error("what came down is not what was sent");
      await child.kill();
      if (up !== keystreamHash(bytes.up)) throw new Error("what went up is not what was sent");
    },
  };
}

function keystreamHash(bytes: number): string {
  const cipher = createCipheriv("aes-256-ctr", Buffer.alloc(32, 7), Buffer.alloc(16));
  return createHash("sha256")
    .update(cipher.update(Buffer.alloc(bytes)))
    .digest("hex");
}
