import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UsageError } from "../command-line.ts";
import { adminCommand } from "./command.ts";

interface Asked {
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

const asked: Asked[] = [];
let answer: { status: number; body: string; headers?: Record<string, string> };
let printed = "";
let origin = "";
let dir = "";

const server = createServer((request, response) => {
  void textOf(request).then((text) => {
    asked.push({ url: request.url, authorization: request.headers.authorization, body: JSON.parse(text) });
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
});

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

beforeEach(async () => {
  asked.length = 0;
  printed = "";
  answer = { status: 200, body: JSON.stringify({ apiToken: "tskey-api-made", user: {} }) };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  dir = mkdtempSync(join(tmpdir(), "flarescale-admin-"));
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true });
  await new Promise((resolve) => server.close(resolve));
});

const run = async (...more: string[]) =>
  await adminCommand.run([`--server=${origin}`, "--login-name=ann@example.com", ...more]);

describe("flarescale admin", () => {
  it("makes the administrator with the secret of a state folder and prints the token alone", async () => {
    writeFileSync(join(dir, "credentials.json"), JSON.stringify({ bootstrapSecret: "local" }));
    expect(await run(`--state=${dir}`)).toBe(0);
    expect(asked).toEqual([
      { url: "/api/v2/bootstrap", authorization: "Bearer local", body: { loginName: "ann@example.com" } },
    ]);
    expect(printed).toBe("tskey-api-made\n");
  });

  it("takes the secret of a deployed Worker from the environment, without the line break of a file", async () => {
    vi.stubEnv("FLARESCALE_BOOTSTRAP_SECRET", "deployed\n");
    expect(await run()).toBe(0);
    expect(asked[0]?.authorization).toBe("Bearer deployed");
  });

  it.each([
    [
      409,
      '{"message":"the first administrator exists already"}',
      /refused: the first administrator exists already \(409\)$/,
    ],
    [502, "<html>", /the answer is not that of flarescale \(502\)$/],
    [200, "{}", /the answer is not that of flarescale \(200\)$/],
  ])("tells why it is refused: %i", async (status, body, words) => {
    answer = { status, body };
    await expect(run("--bootstrap-secret=x")).rejects.toThrow(words);
    expect(printed).toBe("");
  });

  it("takes the secret nowhere else", async () => {
    answer = { status: 307, body: "", headers: { location: `${origin}/elsewhere` } };
    await expect(run("--bootstrap-secret=x")).rejects.toThrow();
    expect(asked).toHaveLength(1);
  });

  it("says what is missing", async () => {
    await expect(run()).rejects.toThrow(UsageError);
    await expect(run("--state=x", "--bootstrap-secret=y")).rejects.toThrow(UsageError);
    await expect(adminCommand.run(["--server=control.example.com"])).rejects.toThrow(/--server is needed/);
    await expect(adminCommand.run([`--server=${origin}`])).rejects.toThrow(/--login-name is needed/);
    await expect(run(`--state=${dir}`)).rejects.toThrow(/credentials\.json/);
    expect(asked).toEqual([]);
  });
});
