import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, it, vi } from "vitest";
import { main } from "../main.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
  vi.unstubAllEnvs();
});

/** A Worker that answers the one request that it gets. */
async function worker(status: number, answer: string) {
  const requests: { request: IncomingMessage; body: string }[] = [];
  const server = http.createServer((request, response) => {
    void text(request).then((body) => {
      requests.push({ request, body });
      response.writeHead(status, { connection: "close" }).end(answer);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUps.push(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

async function run(...argv: string[]) {
  const output = { out: "", err: "" };
  const streams = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      output[name === "stdout" ? "out" : "err"] += String(chunk);
      return true;
    }),
  );
  const code = await main(["derp-restart", ...argv], {
    out: (chunk) => (output.out += chunk),
    err: (chunk) => (output.err += chunk),
  });
  for (const stream of streams) stream.mockRestore();
  return { code, ...output };
}

it("orders the restart with the operator's secret, and says how many were told", async () => {
  const { url, requests } = await worker(200, '{"regions":[{"region":901,"clients":7},{"region":902,"clients":0}]}');
  vi.stubEnv("FLARESCALE_BOOTSTRAP_SECRET", "s3cret");
  const { code, out } = await run("--worker", url, "--region", "901", "--reconnect-in", "1500");
  expect([code, out]).toEqual([0, "region 901: 7 clients sent away\nregion 902: 0 clients sent away\n"]);
  expect(requests).toHaveLength(1);
  const [{ request, body } = { request: undefined, body: "" }] = requests;
  expect([request?.method, request?.url, request?.headers.authorization]).toEqual([
    "POST",
    "/derp/restart",
    "Bearer s3cret",
  ]);
  expect(JSON.parse(body)).toEqual({ region: 901, reconnectInMs: 1500, tryForMs: 10_000 });
});

it("passes the Worker's reason on, or its status", async () => {
  vi.stubEnv("FLARESCALE_BOOTSTRAP_SECRET", "s3cret");
  const refusing = await worker(401, '{"message":"bootstrap secret invalid"}');
  expect(await run("--worker", refusing.url)).toMatchObject({
    code: 1,
    err: `flarescale derp-restart: ${refusing.url} refused: bootstrap secret invalid (401)\n`,
  });
  const other = await worker(502, "<h1>Bad gateway</h1>");
  expect((await run("--worker", other.url)).err).toMatch(/refused: the answer is not that of flarescale \(502\)\n$/);
  const closed = await worker(200, "{}");
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  const gone = await run("--worker", closed.url);
  expect(gone.code).toBe(1);
  expect(gone.err).toContain(`flarescale derp-restart: ${closed.url} does not answer: `);
  expect(gone.err).toContain("ECONNREFUSED");
});

it.each([
  [[], /--worker is needed/],
  [["--worker", "here"], /--worker is needed/],
  [["--worker", "http://127.0.0.1:1"], /set FLARESCALE_BOOTSTRAP_SECRET/],
  [
    ["--worker", "http://127.0.0.1:1", "--bootstrap-secret", "x", "--try-for", "1h"],
    /--try-for must be a whole number/,
  ],
  [["--worker", "http://127.0.0.1:1", "--bootstrap-secret", "x", "--region", "0"], /--region must be a whole number/],
])("refuses the command line %j", async (argv, reason) => {
  const { code, err } = await run(...argv);
  expect(code).toBe(2);
  expect(err).toMatch(reason);
});
