// An issuer that answers in every way but the right one, over real TLS.
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { JWKS_MAX } from "../../worker/protocol/limits.ts";
import { selfSignedCertificate } from "../gateway/certificate.ts";
import { type IssuerAddress, IssuerSource } from "./issuer-source.ts";

const ISSUER = "https://kubernetes.default.svc.cluster.local";
const CONFIGURATION = "/.well-known/openid-configuration";
const KEYS = "/openid/v1/jwks";
const never = new AbortController().signal;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let folder: string;
let server: https.Server;
let origin: string;
let answers: Record<string, Answer>;
const asked: IncomingMessage[] = [];
const sockets = new Set<Socket>();
const key = { ...generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }), kid: "one" };

const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(status, headers).end(JSON.stringify(value));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "flarescale-issuer-"));
  const { cert, key: privateKey } = await selfSignedCertificate(["127.0.0.1"]);
  writeFileSync(join(folder, "ca.pem"), cert);
  writeFileSync(join(folder, "token"), "account-token\n");
  server = https.createServer({ cert, key: privateKey }, (request, response) => {
    asked.push(request);
    (answers[request.url ?? ""] ?? json({}, 404))(request, response);
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  asked.length = 0;
  answers = {
    [CONFIGURATION]: json({ issuer: ISSUER, jwks_uri: `${origin}${KEYS}` }),
    [KEYS]: json({ keys: [key] }),
  };
});

const source = (more: Partial<IssuerAddress> = {}) =>
  new IssuerSource({
    ...{ issuer: ISSUER, address: origin, keysAddress: undefined },
    ...{ caFile: join(folder, "ca.pem"), tokenFile: join(folder, "token") },
    ...more,
  });
const failure = async (more: Partial<IssuerAddress> = {}, signal = never) =>
  await source(more)
    .read(signal)
    .then(
      () => "read",
      (error: Error) => error.message.replaceAll(origin, ""),
    );

describe("an issuer", () => {
  it("is read by its own name, with the token and the authorities that were given for it", async () => {
    for (const issuer of [ISSUER, undefined]) {
      expect(await source({ issuer, address: `${origin}/` }).read(never)).toEqual({
        issuer: ISSUER,
        set: { keys: [key] },
      });
    }
    expect(asked.map(({ url, headers }) => [url, headers.authorization])).toEqual(
      [CONFIGURATION, KEYS, CONFIGURATION, KEYS].map((url) => [url, "Bearer account-token"]),
    );
  });

  it("that says that nothing has changed is believed", async () => {
    answers[KEYS] = (request, response) => {
      if (request.headers["if-none-match"] === '"v1"') response.writeHead(304).end();
      else json({ keys: [key] }, 200, { etag: '"v1"' })(request, response);
    };
    const one = source();
    expect(await one.read(never)).toEqual(await one.read(never));
    answers[KEYS] = json({ keys: [{ ...key, kid: "two" }] });
    expect((await one.read(never)).set.keys).toMatchObject([{ kid: "two" }]);
  });

  it("leaves no connection behind", async () => {
    await source().read(never);
    await expect.poll(() => sockets.size).toBe(0);
    answers[KEYS] = () => {}; // no answer at all
    const abort = new AbortController();
    const reading = failure({}, abort.signal);
    await expect.poll(() => asked.length).toBe(4);
    abort.abort();
    expect(await reading).toMatch(/abort/);
    await expect.poll(() => sockets.size).toBe(0);
  });
});

describe("what an issuer answers is refused", () => {
  it.each([
    [
      "of another issuer",
      json({ issuer: "https://evil.example" }),
      `is the configuration of https://evil.example, not of ${ISSUER}`,
    ],
    [
      "of an issuer that differs by a slash",
      json({ issuer: `${ISSUER}/` }),
      `is the configuration of ${ISSUER}/, not of ${ISSUER}`,
    ],
    [
      "of an issuer with a name for terminals",
      json({ issuer: "\u001b[2Jx" }),
      `is the configuration of ?[2Jx, not of ${ISSUER}`,
    ],
    ["of nobody", json({ jwks_uri: "https://x.example" }), "names no issuer"],
    ["without keys", json({ issuer: ISSUER }), "names no https address of keys"],
    [
      "with keys in the clear",
      json({ issuer: ISSUER, jwks_uri: "http://127.0.0.1/x" }),
      "names no https address of keys",
    ],
    ["with keys in a file", json({ issuer: ISSUER, jwks_uri: "file:///etc/passwd" }), "names no https address of keys"],
    ["with an error", json({}, 500), "answers with status 500"],
    ["in part", json({}, 206), "answers with status 206"],
    ["as not changed, though nobody asked", json({}, 304), "redirects (304), which is not followed"],
    ["elsewhere", json({}, 302, { location: "https://elsewhere.example/" }), "redirects (302), which is not followed"],
    [
      "to others alone",
      json({}, 403),
      "answers with status 403; a cluster lets service accounts read it by the ClusterRole system:service-account-issuer-discovery",
    ],
    ["as a list", json([]), "does not answer with a JSON object"],
    [
      "as a page",
      (_: unknown, response: ServerResponse) => response.end("<html>"),
      "does not answer with a JSON object",
    ],
    [
      "without end",
      (_: unknown, response: ServerResponse) => {
        const timer = setInterval(() => response.write("x".repeat(1 << 16)), 1);
        response.once("close", () => clearInterval(timer));
      },
      `answers with more than ${JWKS_MAX} bytes`,
    ],
  ])("%s", async (_, answer, words) => {
    answers[CONFIGURATION] = answer;
    expect(await failure()).toBe(`${CONFIGURATION} ${words}`);
    expect(asked).toHaveLength(1);
  });

  it("when it breaks off", async () => {
    answers[KEYS] = (_, response) => {
      response.writeHead(200, { "content-length": "1000" }).write("{");
      response.socket?.destroy();
    };
    expect(await failure()).toMatch(/can not be asked: (aborted|socket hang up)/);
  });

  it.each([
    ["no keys", [], "holds no public key that signatures could be verified with"],
    ["a private key", [{ ...key, d: "AA" }], "key 0 is a private key; only public keys may be given"],
    ["a shared secret", [{ kty: "oct", k: "AA" }], "key 0 is a shared secret; only public keys may be given"],
  ])("with %s", async (_, keys, words) => {
    answers[KEYS] = json({ keys });
    expect(await failure()).toBe(`the key set of ${KEYS} ${words}`);
  });

  it("when its certificate is nobody's whom we trust", async () => {
    expect(await failure({ caFile: undefined })).toMatch(/can not be asked: .*self.signed certificate/);
    expect(asked).toHaveLength(0);
  });
});

it("the token goes nowhere but to the address that it was given for", async () => {
  const { cert, key: privateKey } = await selfSignedCertificate(["localhost"]);
  const heard: (string | undefined)[] = [];
  const other = https.createServer({ cert, key: privateKey }, (request, response) => {
    heard.push(request.headers.authorization);
    response.end(JSON.stringify({ keys: [key] }));
  });
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const elsewhere = `https://localhost:${(other.address() as AddressInfo).port}/keys`;
  answers[CONFIGURATION] = json({ issuer: ISSUER, jwks_uri: elsewhere });
  // Nor do the authorities: the other host is not believed, so it does not even hear a request.
  expect(await failure()).toMatch(/localhost.* can not be asked: .*self.signed certificate/);
  expect(heard).toEqual([]);
  other.closeAllConnections();
  other.close();
});
