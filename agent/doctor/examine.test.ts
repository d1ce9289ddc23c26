import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { machineKeyOf } from "../../worker/protocol/keys.ts";
import { encodeHandshakeError } from "../../worker/protocol/noise/messages.ts";
import { selfSignedCertificate } from "../gateway/certificate.ts";
import { answerKey, keyPair, type NoiseWorkerOptions, startNoiseWorker } from "../testing/noise-worker.ts";
import { startTestGateway } from "../testing/test-gateway.ts";
import { examine } from "./examine.ts";
import { parseLoginServer } from "./login-server.ts";
import { checkName } from "./reach.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A Worker behind a gateway, and their URLs. */
async function setUp(options: NoiseWorkerOptions = {}) {
  const worker = await startNoiseWorker(options);
  cleanUps.push(() => worker.close());
  const certificate = await selfSignedCertificate(["localhost", "127.0.0.1"]);
  const gateway = await startTestGateway(worker.url, { https: { port: 0, certificate } });
  cleanUps.push(() => gateway.gateway.drain(0));
  return {
    worker: worker.url.origin,
    plain: `http://127.0.0.1:${gateway.httpPort}`,
    secure: `https://127.0.0.1:${gateway.httpsPort}`,
  };
}

/** Findings of one examination, by the check without its port. */
async function findings(url: string) {
  const all = await examine(parseLoginServer(url));
  return Object.fromEntries(all.map((finding) => [finding.check.replace(/ \d+$/, ""), finding]));
}

async function problems(url: string): Promise<string[]> {
  return Object.values(await findings(url))
    .filter(({ status }) => status === "problem")
    .map(({ check, detail, advice }) => `${check}: ${detail} | ${advice}`);
}

describe("examine", () => {
  it("finds nothing wrong with a gateway before a sound Worker", async () => {
    const { plain } = await setUp();
    const found = await findings(plain);
    expect(Object.entries(found).map(([check, { status }]) => [check, status])).toEqual([
      ["url", "ok"],
      ["name", "skipped"],
      ["port", "ok"],
      ["forced TLS", "skipped"],
      ["key", "ok"],
      ["clock", "ok"],
      ["upgrade on port", "ok"],
      ["websocket", "ok"],
      ["health", "skipped"],
    ]);
    expect(found["upgrade on port"]?.detail).toBe("the server answers the handshake and proves its key");
  });

  it("tells that the native upgrade does not get through where there is no gateway", async () => {
    const { worker } = await setUp();
    const [only, ...others] = await problems(worker);
    expect(only).toMatch(
      /^upgrade on port \d+: the answer is 405 and no upgrade \| Something in front removes the Upgrade/,
    );
    expect(others).toEqual([]);
  });

  it("tells that /key shows another server's key, in both forms of the upgrade", async () => {
    const other = machineKeyOf(keyPair().publicKey);
    const { plain } = await setUp({ onKey: (response) => answerKey(response, other) });
    const found = await problems(plain);
    expect(found).toHaveLength(2);
    for (const one of found) expect(one).toContain("key mismatch: the server ends the handshake without an answer");
  });

  it("tells that an answer was not made with the key", async () => {
    const { plain } = await setUp({ answer: (response) => response.fill(7, 40) });
    const found = await problems(plain);
    expect(found).toHaveLength(2);
    for (const one of found)
      expect(one).toContain("key mismatch: the answer was not made with the key that /key gives");
  });

  it("passes on what the server says instead of a response, fit for a terminal", async () => {
    const { plain } = await setUp({ answer: () => encodeHandshakeError("go \u001b[31maway") });
    expect((await findings(plain))["upgrade on port"]?.detail).toBe("the server refuses the handshake: go  [31maway");
  });

  it("tells that the Upgrade header was changed on the way", async () => {
    const { worker } = await setUp({
      onUpgrade: (request: IncomingMessage, socket: Socket) => {
        if (request.headers.upgrade === "websocket") return false;
        socket.write("HTTP/1.1 101 X\r\nUpgrade: Tailscale-Control-Protocol\r\nConnection: upgrade\r\n\r\n");
        socket.end(Buffer.alloc(51, 2));
        return true;
      },
    });
    expect(await problems(worker)).toEqual([
      expect.stringContaining('it must be exactly "tailscale-control-protocol"'),
    ]);
  });

  it("tells a redirect and an unreachable Worker from a removed header", async () => {
    const answering = (head: string) => ({
      onUpgrade: (_: IncomingMessage, socket: Socket) => {
        socket.end(`HTTP/1.1 ${head}\r\nServer: nginx\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nwhy?`);
        return true;
      },
    });
    const moved = await problems((await setUp(answering("308 Permanent Redirect"))).worker);
    expect(moved.join()).toMatch(/the answer is a redirect, 308 \(by "nginx"\) \| Clients do not follow it/);
    const down = await problems((await setUp(answering("502 Bad Gateway"))).worker);
    expect(down.join()).toMatch(/the answer is 502 \(by "nginx"\): why\? \| Look at the gateway's log/);
  });

  it.each([
    [
      "no JSON",
      (r: ServerResponse) => void r.end("<html>log in to the hotel</html>"),
      /something that is no key: <html>log in/,
    ],
    ["no key", (r: ServerResponse) => answerKey(r, `mkey:${"0".repeat(64)}`), /something that is no key/],
    ["a status", (r: ServerResponse) => void r.writeHead(503).end(), /GET \/key answers 503/],
    [
      "no CORS",
      (r: ServerResponse, publicKey: string) => void r.end(JSON.stringify({ publicKey })),
      /no Access-Control-Allow-Origin/,
    ],
  ])("tells what is wrong with the answer to GET /key: %s", async (_, onKey, expected) => {
    const found = await problems((await setUp({ onKey })).plain);
    expect(found).toEqual([expect.stringMatching(expected)]);
  });

  it("tells that the clock is wrong, and by how much", async () => {
    const { plain } = await setUp({
      onKey: (response, publicKey) => {
        response.setHeader("Date", new Date(Date.now() + 120_000).toUTCString());
        answerKey(response, publicKey);
      },
    });
    expect(await problems(plain)).toEqual([expect.stringMatching(/^clock: this machine's clock is 1[012]\d s behind/)]);
  });

  it("tells that a self-signed certificate will not do for an https login server, and examines the rest", async () => {
    const { secure } = await setUp();
    const found = await findings(secure);
    expect(found.key?.detail).toMatch(/the certificate is not trusted/);
    expect(found["upgrade on port"]).toBeDefined();
    const upgrades = (await examine(parseLoginServer(secure))).filter(({ check }) => check.startsWith("upgrade"));
    expect(upgrades.map(({ status }) => status)).toEqual(["ok", "ok"]);
    expect(upgrades[0]?.detail).toContain("clients then use TLS");
  });

  it("tells that nobody listens", async () => {
    const { worker, plain } = await setUp();
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
    expect((await problems(plain)).join()).toMatch(/port \d+: connection refused \| Start the gateway/);
    expect((await findings(worker)).upgrade?.status).toBe("skipped");
  });

  it("passes on what the server says that an administrator must look after", async () => {
    const answering = (status: number, body: string) => ({
      onHealth: (response: ServerResponse) => void response.writeHead(status).end(body),
    });
    const notes = ["the keys of the issuer i1CNTRL have expired", 7, "go \u001b[31maway"];
    const { plain } = await setUp(answering(200, JSON.stringify({ status: "warn", notes })));
    expect(await examine(parseLoginServer(plain))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          check: "health",
          status: "problem",
          detail: "the server says: the keys of the issuer i1CNTRL have expired",
        }),
        expect.objectContaining({ check: "health", detail: "the server says: go  [31maway" }),
      ]),
    );
    const well = await setUp(answering(200, '{"status":"pass"}'));
    expect((await findings(well.plain)).health).toMatchObject({ status: "ok" });
    for (const [status, body] of [
      [503, '{"status":"warn","notes":["x"]}'],
      [200, "<html>"],
      [200, '{"status":"warn","notes":1}'],
    ] as const) {
      const other = await setUp(answering(status, body));
      expect((await findings(other.plain)).health).toMatchObject({ status: "skipped" });
    }
  });

  it("gives up on a server that says nothing", async () => {
    const { worker } = await setUp({ onKey: () => {} });
    expect((await problems(worker)).join()).toContain("GET /key: no answer within 5 s");
  });

  it("tells that the URL has a path", async () => {
    const { plain } = await setUp();
    expect(await problems(`${plain}/control`)).toEqual([
      `url: the URL has a path | Clients upgrade at the root of the host: use ${plain}.`,
    ]);
  });

  it("tells that a name does not resolve", async () => {
    const server = parseLoginServer("http://gateway.example");
    const fail = () => Promise.reject(Object.assign(new Error("x"), { code: "ENOTFOUND" }));
    expect(await checkName(server, fail)).toMatchObject({
      status: "problem",
      detail: expect.stringContaining("the name does not exist"),
    });
    const found = await checkName(server, async () => [{ address: "192.0.2.1" }, { address: "2001:db8::1" }]);
    expect(found).toMatchObject({ status: "ok", detail: "gateway.example has the addresses 192.0.2.1, 2001:db8::1" });
  });
});

describe("flarescale doctor", () => {
  const run = async (...argv: string[]) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL("../main.ts", import.meta.url)), "doctor", ...argv]);
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
    return { out, err, code: code as number };
  };

  it("prints a table or JSON and exits with 0 when all is well", async () => {
    const { plain } = await setUp();
    const table = await run("--login-server", plain);
    expect(table).toMatchObject({ code: 0, err: "" });
    expect(table.out).toMatch(/^ {2}ok {8}url [\s\S]*\nno problem found\n$/);
    const json = await run("--login-server", plain, "--json");
    expect(json.code).toBe(0);
    expect(JSON.parse(json.out)).toMatchObject({ loginServer: plain, ok: true });
  });

  it("exits with 1 when there is a problem and with 2 when the command line is wrong", async () => {
    const { worker } = await setUp();
    const found = await run("--login-server", worker);
    expect(found.code).toBe(1);
    expect(found.out).toContain("1 problem found");
    expect((await run()).code).toBe(2);
    expect((await run("--login-server", "gateway.example")).code).toBe(2);
  });
});
