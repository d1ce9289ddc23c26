// The commands against servers that refuse, break off or send something else; what they do when all is well is in
// test/e2e/move.test.ts.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatTransfer } from "../../worker/protocol/transfer/document.ts";
import { main } from "../main.ts";

const FILE = formatTransfer({ exportedAt: "", tailnet: "", magicDnsSuffix: "" }, [{ kind: "user", record: { id: 1 } }]);
let folder: string;
let server: Server;
let url: string;
let requests: string[];
let answer: (response: ServerResponse, body: string) => void;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "flarescale-transfer-"));
  requests = [];
  server = createServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      requests.push(`${request.method ?? ""} ${request.url ?? ""} ${request.headers.authorization ?? ""}`);
      answer(response, Buffer.concat(chunks).toString());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

async function run(...argv: string[]) {
  const errors: string[] = [];
  const code = await main(argv, { out: () => undefined, err: (text) => errors.push(text) });
  return { code, error: errors.join("") };
}

const access = () => [`--server=${url}`, "--token=tskey-api-x "];

describe("export", () => {
  const output = () => join(folder, "tailnet.jsonl");

  it("writes a file that its owner alone can read, and never over another", async () => {
    answer = (response) => response.end(FILE);
    expect(await run("export", ...access(), `--output=${output()}`)).toEqual({ code: 0, error: "" });
    expect(requests).toEqual(["GET /api/v2/tailnet/-/export Bearer tskey-api-x"]);
    expect(readFileSync(output(), "utf8")).toBe(FILE);
    expect(statSync(output()).mode & 0o777).toBe(0o600);
    expect((await run("export", ...access(), `--output=${output()}`)).code).toBe(1);
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    [
      "refuses",
      (r) => r.writeHead(403).end('{"message":"not the owner"}'),
      /refused the export: not the owner \(403\)/,
    ],
    ["is no flarescale", (r) => r.writeHead(404).end("<html>"), /not that of flarescale \(404\)/],
    ["sends half a file", (r) => r.end(FILE.slice(0, -20)), /not whole|not an object of JSON/],
    ["sends something else", (r) => r.end("{}"), /not an exported tailnet/],
    ["leads elsewhere", (r) => r.writeHead(302, { location: "https://example.com/" }).end(), /fetch failed|redirect/],
    ["breaks off", (r) => r.destroy(), /fetch failed/],
  ])("writes nothing when the server %s", async (_, given, message) => {
    answer = given;
    const { code, error } = await run("export", ...access(), `--output=${output()}`);
    expect([code, readdirSync(folder)]).toEqual([1, []]);
    expect(error).toMatch(message);
    expect(error).not.toContain("tskey-api-x");
  });
});

describe("import", () => {
  const input = (text: string) => {
    writeFileSync(join(folder, "in.jsonl"), text);
    return `--input=${join(folder, "in.jsonl")}`;
  };

  it("tries again when the connection breaks, with the same file", async () => {
    const bodies: string[] = [];
    answer = (response, body) => {
      bodies.push(body);
      if (bodies.length === 1) response.destroy();
      else response.end('{"users":1,"devices":0,"alreadyImported":true}');
    };
    expect(await run("import", ...access(), input(FILE))).toEqual({ code: 0, error: "" });
    expect(bodies).toEqual([FILE, FILE]);
  });

  it("does not try again what was refused", async () => {
    answer = (response) => response.writeHead(409).end('{"message":"only a new tailnet"}');
    expect(await run("import", ...access(), input(FILE))).toMatchObject({
      code: 1,
      error: expect.stringContaining("refused the import: only a new tailnet (409)"),
    });
    expect(requests).toHaveLength(1);
  });

  it("sends nothing that is no export", async () => {
    expect(await run("import", ...access(), input("secret notes"))).toMatchObject({
      code: 1,
      error: expect.stringContaining("line 1"),
    });
    expect(requests).toEqual([]);
  });
});

describe("command lines that make no sense", () => {
  it.each<[string[], RegExp]>([
    [["export", "--token=x", "--output=f"], /--server is needed/],
    [["export", "--server=control.example.com", "--token=x", "--output=f"], /--server is needed: an origin/],
    [["export", "--server=https://a.example/path", "--token=x", "--output=f"], /without a path/],
    [["export", "--server=https://a.example", "--output=f"], /FLARESCALE_TOKEN/],
    [["export", "--server=https://a.example", "--token=x"], /--output is needed/],
    [["import", "--server=https://a.example", "--token=x"], /one of --input and --headscale/],
    [
      ["import", "--server=https://a.example", "--token=x", "--input=a", "--headscale=b"],
      /one of --input and --headscale/,
    ],
    [["import", "--server=https://a.example", "--token=x", "--headscale=b"], /--headscale-noise-key is needed/],
  ])("%j", async (argv, message) => {
    const { code, error } = await run(...argv);
    expect(code).toBe(2);
    expect(error).toMatch(message);
  });
});
