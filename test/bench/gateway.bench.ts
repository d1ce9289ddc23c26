// Speed and memory of the gateway on this machine: bytes through one tunnel against a plain byte pipe in Node.js that
// stands in the same place, and memory of idle bridges; without TLS, with TLS to the Worker as in production, and with TLS
// on both sides. Each bridge has a WebSocket of its own here, as relay connections do. Ends of the connections live in this
// process, gateway and pipe in processes of their own.
//
//   node test/bench/gateway.bench.ts [bridges]        default 5,000; each needs two descriptors in each process
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { fileURLToPath, pathToFileURL } from "node:url";
import { generate } from "selfsigned";
import { TRUNK_PROTOCOL } from "../../worker/protocol/trunk/frame.ts";

/** One measured figure. */
export interface GatewayFigures {
  readonly tls: "none" | "to the Worker" | "both sides";
  /** MB/s client to Worker and back, through the gateway and through the pipe. */
  readonly upMBps: number;
  readonly upPipeMBps: number;
  readonly downMBps: number;
  readonly downPipeMBps: number;
  readonly bridges: number;
  /** Resident memory of the gateway: at rest, and per idle bridge. */
  readonly baseMB: number;
  readonly perBridgeKB: number;
  /** Time until all bridges stood. */
  readonly openSeconds: number;
}

const SELF = fileURLToPath(import.meta.url);
const GATEWAY = path.resolve(import.meta.dirname, "../../agent/main.ts");
const TRANSFER = 400 << 20;
const CHUNK = 16 << 10;
/** RFC 6455 §1.3. */
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const REQUEST = [
  "POST /ts2021 HTTP/1.1",
  "Host: bench",
  "Content-Length: 0",
  "Connection: upgrade",
  "Upgrade: tailscale-control-protocol",
  `X-Tailscale-Handshake: ${"A".repeat(136)}\r\n\r\n`,
].join("\r\n");

interface Pem {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Certificates of the sides that use TLS. */
interface Sides {
  readonly client?: Pem;
  readonly worker?: Pem;
}

/** Runs the bench. */
export async function benchGateway(bridges = 5_000): Promise<GatewayFigures[]> {
  const pem = await makePem();
  return [
    await benchVariant("none", bridges, {}),
    await benchVariant("to the Worker", bridges, { worker: pem }),
    await benchVariant("both sides", bridges, { client: pem, worker: pem }),
  ];
}

/** Without TLS, against a byte pipe in Go. @param loadBinary the load program, which has the pipe */
export async function benchGatewayAgainstGo(loadBinary: string, bridges = 2_000): Promise<GatewayFigures> {
  return benchVariant("none", bridges, {}, (port) => startChildPipe(loadBinary, ["pipe", `127.0.0.1:${port}`]));
}

async function benchVariant(
  name: GatewayFigures["tls"],
  bridges: number,
  sides: Sides,
  pipeTo = (port: number) => startPipe(port, sides),
): Promise<GatewayFigures> {
  const worker = await startEnd(sides.worker, switchToWebSocket);
  const sink = await startEnd(sides.worker, (socket) => socket.emit("ready"));
  const gateway = await startGateway(worker.port, sides);
  const pipe = await pipeTo(sink.port);
  const pem = sides.client;
  try {
    const speeds = {
      upMBps: await up(() => openBridge(gateway.port, pem), worker),
      upPipeMBps: await up(() => connect(pipe.port, pem), sink),
      downMBps: await down(() => openBridge(gateway.port, pem), worker, frame(CHUNK)),
      downPipeMBps: await down(() => connect(pipe.port, pem), sink, Buffer.alloc(CHUNK)),
    };
    return { tls: name, ...speeds, ...(await memory(gateway, bridges, pem)) };
  } finally {
    gateway.child.kill("SIGKILL");
    pipe.child.kill("SIGKILL");
    worker.close();
    sink.close();
  }
}

async function memory(gateway: Running, bridges: number, pem: Pem | undefined) {
  await sleep(3_000);
  const before = await residentBytes(gateway);
  const startedAt = performance.now();
  const clients: net.Socket[] = [];
  for (let at = 0; at < bridges; at += 50) {
    const batch = Array.from({ length: Math.min(50, bridges - at) }, () => openBridge(gateway.port, pem));
    clients.push(...(await Promise.all(batch)));
  }
  const openSeconds = (performance.now() - startedAt) / 1_000;
  await sleep(5_000);
  const after = await residentBytes(gateway);
  for (const client of clients) client.destroy();
  return { bridges, baseMB: before / 2 ** 20, perBridgeKB: (after - before) / bridges / 1_024, openSeconds };
}

async function residentBytes({ metricsPort }: Running): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
}

/** The server's end of connections: it hands each one out when it is ready to carry bytes. */
interface End {
  readonly port: number;
  next(): Promise<net.Socket>;
  close(): void;
}

async function startEnd(pem: Pem | undefined, prepare: (socket: net.Socket) => void): Promise<End> {
  const waiting: ((socket: net.Socket) => void)[] = [];
  const accept = (socket: net.Socket) => {
    socket.on("error", () => {});
    socket.once("ready", () => waiting.shift()?.(socket));
    prepare(socket);
  };
  const server = pem ? tls.createServer(pem, accept) : net.createServer(accept);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    close: () => server.close(),
  };
}

function switchToWebSocket(socket: net.Socket): void {
  socket.once("data", (head: Buffer) => {
    if (head.includes(TRUNK_PROTOCOL)) {
      socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const key = /Sec-WebSocket-Key: (\S+)/i.exec(head.toString("latin1"))?.[1] ?? "";
    const accept = createHash("sha1").update(`${key}${WEBSOCKET_GUID}`).digest("base64");
    const lines = ["HTTP/1.1 101 X", "Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
    socket.write([...lines, "Sec-WebSocket-Protocol: tailscale-control-protocol\r\n\r\n"].join("\r\n"));
    socket.emit("ready");
  });
}

/** A binary message of a server. */
function frame(length: number): Buffer {
  return Buffer.concat([Buffer.from([0x82, 126, length >> 8, length & 255]), Buffer.alloc(length)]);
}

async function up(open: () => Promise<net.Socket>, end: End): Promise<number> {
  const [from, to] = await pair(open, end);
  return await transfer(from, to, Buffer.alloc(CHUNK));
}

async function down(open: () => Promise<net.Socket>, end: End, chunk: Buffer): Promise<number> {
  const [to, from] = await pair(open, end);
  return await transfer(from, to, chunk);
}

async function pair(open: () => Promise<net.Socket>, end: End): Promise<[net.Socket, net.Socket]> {
  const other = end.next();
  return [await open(), await other];
}

/** Sends, waits until as much has arrived, and returns MB/s. WebSocket headers, 0.05 %, are not taken off. */
async function transfer(from: net.Socket, to: net.Socket, chunk: Buffer): Promise<number> {
  let received = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  to.on("data", (bytes: Buffer) => {
    received += bytes.length;
    if (received >= TRANSFER) resolve();
  });
  const startedAt = performance.now();
  const send = () => {
    while (received < TRANSFER && from.write(chunk));
  };
  from.on("drain", send);
  send();
  await promise;
  const seconds = (performance.now() - startedAt) / 1_000;
  from.destroy();
  to.destroy();
  return TRANSFER / 2 ** 20 / seconds;
}

async function openBridge(port: number, pem: Pem | undefined): Promise<net.Socket> {
  const socket = await connect(port, pem);
  socket.write(REQUEST);
  const [head] = (await once(socket, "data")) as [Buffer];
  if (!head.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(`no bridge: ${head.toString("latin1")}`);
  return socket;
}

async function connect(port: number, pem: Pem | undefined): Promise<net.Socket> {
  const target = { host: "127.0.0.1", port };
  const socket = pem ? tls.connect({ ...target, rejectUnauthorized: false }) : net.connect(target);
  await once(socket, pem ? "secureConnect" : "connect");
  return socket.on("error", () => {});
}

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  readonly metricsPort?: number;
}

async function startGateway(workerPort: number, { client, worker }: Sides): Promise<Running> {
  const argv = [
    `--upstream=${worker ? "https" : "http"}://127.0.0.1:${workerPort}`,
    ...["--listen=127.0.0.1", "--metrics-listen=127.0.0.1:0", "--dials-per-second=10000", "--json"],
    ...(client
      ? ["--http-port=off", "--https-port=0", `--tls-cert=${client.certFile}`, `--tls-key=${client.keyFile}`]
      : ["--http-port=0", "--https-port=off"]),
  ];
  const env = { ...process.env, ...(worker && { NODE_EXTRA_CA_CERTS: worker.certFile }) };
  const child = spawn(process.execPath, [GATEWAY, "gateway", ...argv], { env, stdio: ["ignore", "pipe", "inherit"] });
  const line = await firstLine(child);
  return { child, port: Number(line.httpPort ?? line.httpsPort), metricsPort: Number(line.metricsPort) };
}

async function startPipe(sinkPort: number, { client, worker }: Sides): Promise<Running> {
  const argv = [SELF, "pipe", String(sinkPort), String(worker !== undefined)];
  if (client !== undefined) argv.push(client.certFile, client.keyFile);
  return startChildPipe(process.execPath, argv);
}

async function startChildPipe(file: string, argv: readonly string[]): Promise<Running> {
  const child = spawn(file, argv, { stdio: ["ignore", "pipe", "inherit"] });
  return { child, port: Number((await firstLine(child)).port) };
}

async function firstLine(child: ChildProcess): Promise<Record<string, unknown>> {
  const [line] = (await once(child.stdout as Readable, "data")) as [Buffer];
  return JSON.parse(String(line)) as Record<string, unknown>;
}

/** The pipe, in its own process: the least that a proxy in Node.js can do. */
async function runPipe(sinkPort: number, isSinkSecure: boolean, files: readonly string[]): Promise<void> {
  const [certFile, keyFile] = files;
  const join = (client: net.Socket) => {
    const target = { host: "127.0.0.1", port: sinkPort };
    const server = isSinkSecure ? tls.connect({ ...target, rejectUnauthorized: false }) : net.connect(target);
    for (const socket of [client, server]) socket.on("error", () => {});
    client.pipe(server).pipe(client);
  };
  const listener =
    certFile !== undefined && keyFile !== undefined
      ? tls.createServer({ cert: await readFile(certFile), key: await readFile(keyFile) }, join)
      : net.createServer(join);
  listener.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${JSON.stringify({ port: (listener.address() as net.AddressInfo).port })}\n`);
  });
}

async function makePem(): Promise<Pem> {
  const made = await generate([{ name: "commonName", value: "bench" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
  });
  const folder = await mkdtemp(path.join(tmpdir(), "flarescale-bench-"));
  const [certFile, keyFile] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
  await Promise.all([writeFile(certFile, made.cert), writeFile(keyFile, made.private)]);
  return { cert: made.cert, key: made.private, certFile, keyFile };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [first, ...rest] = process.argv.slice(2);
  if (first === "pipe") {
    await runPipe(Number(rest[0]), rest[1] === "true", rest.slice(2));
  } else {
    for (const figures of await benchGateway(first === undefined ? undefined : Number(first))) {
      console.log(
        JSON.stringify(figures, (_, value) => (typeof value === "number" ? Number(value.toFixed(1)) : value)),
      );
    }
    process.exit(0);
  }
}
