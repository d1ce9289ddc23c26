// The upgrade that carries the control connection, in both forms (control-protocol.md 1.3, 1.4): the native one over
// plain HTTP and TLS, and the WebSocket one. Each goes on to the server's Noise response, which proves that the same
// server answers here and at /key.
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import { concat } from "../../worker/protocol/bytes.ts";
import { WEBSOCKET_MAX_RECEIVE } from "../../worker/protocol/limits.ts";
import { NoiseProbe, type ProbeVerdict } from "../control/noise-probe.ts";
import { CHECK_TIMEOUT_MS, type Finding, failureText, ok, printable, problem } from "../finding.ts";
import type { DialTarget, LoginServer } from "./login-server.ts";

const PROTOCOL = "tailscale-control-protocol";

/** What came of one upgrade. */
type Outcome =
  | { readonly kind: "switched"; readonly protocol: string | undefined; readonly verdict: ProbeVerdict | undefined }
  | { readonly kind: "answered"; readonly status: number; readonly server: string; readonly text: string };

/** Upgrades as native clients do on one of their targets. */
export async function checkUpgrade(server: LoginServer, target: DialTarget, serverKey: Uint8Array): Promise<Finding> {
  const check = `upgrade on port ${target.port}`;
  const isOptional = target.scheme === "http" && server.isPlainOptional;
  try {
    const outcome = await upgrade(server, target, await NoiseProbe.begin(serverKey));
    const finding = judge(check, outcome);
    if (finding.status === "problem" && isOptional) return ok(check, `${finding.detail}; clients then use TLS`);
    return finding;
  } catch (error) {
    const failure = failureText(error);
    if (isOptional) return ok(check, `${failure}; clients then use TLS, which is enough`);
    return problem(check, failure, "See the finding about this port.");
  }
}

/** Upgrades as clients in browsers do, at the login server's own address. */
export async function checkWebSocket({ url }: LoginServer, serverKey: Uint8Array): Promise<Finding> {
  const check = "websocket";
  try {
    return judge(check, await openWebSocket(url, await NoiseProbe.begin(serverKey)));
  } catch (error) {
    return problem(check, failureText(error), "Let WebSockets through to the gateway or the Worker.");
  }
}

function judge(check: string, outcome: Outcome): Finding {
  if (outcome.kind === "answered") return judgeAnswer(check, outcome);
  if (outcome.protocol !== PROTOCOL) {
    return problem(
      check,
      "the server switches to another protocol than the client asks for",
      `Something on the way changes the Upgrade header: it must be exactly "${PROTOCOL}".`,
    );
  }
  switch (outcome.verdict?.kind) {
    case "proved":
      return ok(check, "the server answers the handshake and proves its key");
    case "error":
      return problem(check, `the server refuses the handshake: ${printable(outcome.verdict.text)}`, "Look at its log.");
    case undefined:
      return problem(check, "key mismatch: the server ends the handshake without an answer", MISMATCH);
    case "unproved":
      return problem(check, "key mismatch: the answer was not made with the key that /key gives", MISMATCH);
    case "malformed":
      return problem(check, "what comes after the upgrade is not the control protocol", MISMATCH);
  }
}

const MISMATCH =
  "Check that /key and /ts2021 lead to the same Worker, and that nothing on the way keeps an old answer to /key.";

function judgeAnswer(check: string, { status, server, text }: Outcome & { kind: "answered" }): Finding {
  const by = server === "" ? "" : ` (by "${server}")`;
  if (status >= 500) {
    const said = text === "" ? "" : `: ${text}`;
    return problem(
      check,
      `the answer is ${status}${by}${said}`,
      "Look at the gateway's log: it cannot reach the Worker.",
    );
  }
  if (status >= 300 && status < 400) {
    return problem(
      check,
      `the answer is a redirect, ${status}${by}`,
      "Clients do not follow it: serve /ts2021 itself there.",
    );
  }
  const advice =
    check === "websocket"
      ? "Let WebSockets through to the gateway or the Worker."
      : "Something in front removes the Upgrade header, as Cloudflare's proxy does: point the login server at a gateway, by " +
        "a DNS-only record, or make the proxy pass this upgrade on.";
  return problem(check, `the answer is ${status}${by} and no upgrade`, advice);
}

/** Asks with the native form and reads the server's first message. @throws Error when the connection fails */
function upgrade({ host, url }: LoginServer, target: DialTarget, probe: NoiseProbe): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const request = (target.scheme === "https" ? https : http).request({
      host,
      port: target.port,
      path: "/ts2021",
      method: "POST",
      agent: false,
      rejectUnauthorized: false, // clients do not insist on a certificate here
      signal: AbortSignal.timeout(CHECK_TIMEOUT_MS),
      headers: {
        Host: url.host,
        "Content-Length": 0,
        Connection: "upgrade",
        Upgrade: PROTOCOL,
        "X-Tailscale-Handshake": probe.handshake,
      },
    });
    request.on("error", reject);
    request.on("response", (response) => void answered(response).then(resolve, reject));
    request.on("upgrade", (response, socket: Socket, head: Buffer) => {
      socket.on("error", () => socket.destroy());
      void firstMessage(socket, head)
        .then(async (bytes) => (bytes === undefined ? undefined : await probe.judge(bytes)))
        .then((verdict) => resolve({ kind: "switched", protocol: response.headers.upgrade, verdict }), reject);
    });
    request.end();
  });
}

/** The first whole message; undefined when the stream ends before. @throws TimeoutError */
async function firstMessage(socket: Socket, head: Buffer): Promise<Uint8Array | undefined> {
  socket.setTimeout(CHECK_TIMEOUT_MS, () => socket.destroy(Object.assign(new Error(), { code: "ETIMEDOUT" })));
  let bytes: Uint8Array = head;
  try {
    if (NoiseProbe.isWhole(bytes)) return bytes;
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes = concat([bytes, chunk]);
      if (NoiseProbe.isWhole(bytes)) return bytes;
    }
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return undefined;
    throw error;
  } finally {
    socket.destroy();
  }
}

async function answered(response: IncomingMessage): Promise<Outcome> {
  const chunks: Buffer[] = [];
  if (response.headers["content-type"]?.startsWith("text/plain")) {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if (chunks.length > 4) break;
    }
  }
  response.destroy();
  return {
    kind: "answered",
    status: response.statusCode ?? 0,
    server: printable(String(response.headers.server ?? "")),
    text: printable(Buffer.concat(chunks).toString("latin1")),
  };
}

/** Asks with the WebSocket form. @throws Error when the connection fails */
async function openWebSocket(url: URL, probe: NoiseProbe): Promise<Outcome> {
  const target = new URL(`/ts2021?X-Tailscale-Handshake=${encodeURIComponent(probe.handshake)}`, url);
  target.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const webSocket = new WebSocket(target, [PROTOCOL], { perMessageDeflate: false, maxPayload: WEBSOCKET_MAX_RECEIVE });
  const { promise, resolve, reject } = Promise.withResolvers<Outcome | readonly Uint8Array[]>();
  const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
  signal.addEventListener("abort", () => reject(signal.reason as Error));
  const messages: Uint8Array[] = [];
  webSocket.on("unexpected-response", (_, response) => void answered(response).then(resolve, reject));
  webSocket.on("message", (message: Buffer) => {
    messages.push(message);
    if (NoiseProbe.isWhole(concat(messages))) resolve(messages);
  });
  webSocket.on("close", () => resolve(messages));
  webSocket.on("error", reject);
  try {
    const outcome = await promise;
    if ("kind" in outcome) return outcome;
    const bytes = concat(outcome);
    const verdict = NoiseProbe.isWhole(bytes) ? await probe.judge(bytes) : undefined;
    return { kind: "switched", protocol: webSocket.protocol, verdict };
  } finally {
    webSocket.terminate();
  }
}
