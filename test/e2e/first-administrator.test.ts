// The first administrator of a new server, made as its operator makes it: `flarescale admin` with the one-time secret, on a
// server of one's own and on the Worker as wrangler builds it for Cloudflare.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Api } from "./support/api.ts";
import { Child } from "./support/child.ts";
import { execute } from "./support/command.ts";
import { startFlarescale } from "./support/flarescale.ts";
import { freeLoopbackPort } from "./support/local-http.ts";
import { scratchDir } from "./support/run.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const AGENT = join(ROOT, "agent/main.ts");

let server: Child | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

/** `npm run serve` in a new folder. */
async function serve(env: Record<string, string> = {}) {
  const [state, port] = [scratchDir("serve"), await freeLoopbackPort()];
  const command = [process.execPath, join(ROOT, "scripts/serve.ts"), `--port=${port}`, `--state=${state}`];
  return { state, url: await started("serve", command, port, env) };
}

/** The Worker that `wrangler deploy` would send away, on this machine. */
async function wranglerDev(secret: string) {
  const [state, port] = [scratchDir("wrangler"), await freeLoopbackPort()];
  const options = ["--env=", "--ip=127.0.0.1", `--port=${port}`, "--inspector-port=0", `--persist-to=${state}`];
  const wrangler = [process.execPath, join(ROOT, "node_modules/wrangler/bin/wrangler.js"), "dev", ...options];
  const quiet = {
    XDG_CONFIG_HOME: state,
    WRANGLER_SEND_METRICS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
  const flags = [`--var=BOOTSTRAP_SECRET:${secret}`, "--show-interactive-dev-session=false"];
  return await started("wrangler", [...wrangler, ...flags], port, quiet);
}

async function started(name: string, command: readonly string[], port: number, env: Record<string, string>) {
  server = new Child({ name, cwd: ROOT, deathSignal: "TERM", env, command });
  const url = `http://127.0.0.1:${port}`;
  await server.until("answers", async () => (await fetch(`${url}/health`)).ok, { timeoutMs: 120_000 });
  return url;
}

async function admin(url: string, loginName: string, how: { state: string } | { secret: string }) {
  const variables = "secret" in how ? [`FLARESCALE_BOOTSTRAP_SECRET=${how.secret}`] : [];
  const options = [`--server=${url}`, `--login-name=${loginName}`, ...("state" in how ? [`--state=${how.state}`] : [])];
  return await execute(["env", ...variables, process.execPath, AGENT, "admin", ...options]);
}

/** Makes the administrator, uses the token, and sees that the secret has done its work. */
async function worksOnce(url: string, how: Parameters<typeof admin>[2]) {
  const made = await admin(url, "ann@example.com", how);
  expect(made).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/^tskey-api-\w+-\w+\n$/) });
  const api = new Api(url, made.stdout.trim());
  const users = async () => await api.request<{ users: unknown[] }>("GET", "/tailnet/-/users");
  expect((await users()).users).toMatchObject([{ loginName: "ann@example.com", role: "owner" }]);
  expect((await api.createAuthKey()).key).toMatch(/^tskey-auth-/);

  expect(await admin(url, "mallory@example.com", how)).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("refused: the first administrator exists already (409)"),
  });
  expect((await users()).users).toHaveLength(1);
}

const refusesSecret = {
  code: 1,
  stdout: "",
  stderr: expect.stringMatching(/refused: .*\(401\)/),
};

describe("flarescale admin makes the first administrator, once,", () => {
  it("of a server of one's own with the secret that it keeps in its folder", async () => {
    const { state, url } = await serve();
    expect(await admin(url, "ann@example.com", { secret: "a guess" })).toMatchObject(refusesSecret);
    await worksOnce(url, { state });
  });

  it("whereupon npm start on that folder says that it needs a token of theirs, and takes it", async () => {
    const { state, url } = await serve();
    const made = await admin(url, "ann@example.com", { state });
    await server?.stop();
    const file = join(state, "credentials.json");
    const kept = readFileSync(file, "utf8");
    const start = async () => {
      const ports = ["--worker-port=0", "--http-port=0", "--https-port=0", "--stun-port=off"];
      return await execute([process.execPath, join(ROOT, "scripts/start.ts"), "--json", `--state=${state}`, ...ports]);
    };
    expect(await start()).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining(`${file} holds no API token that works: put one of an administrator there`),
    });
    expect(readFileSync(file, "utf8")).toBe(kept);
    writeFileSync(file, JSON.stringify({ ...JSON.parse(kept), apiToken: made.stdout.trim() }));
    const flarescale = await startFlarescale({ stateDir: state });
    const { users } = await flarescale.api.request<{ users: unknown[] }>("GET", "/tailnet/-/users");
    expect(users).toMatchObject([{ loginName: "ann@example.com", role: "owner" }]);
    await flarescale.stop();
  });

  it("of a server of one's own with the secret that its operator chose", async () => {
    const secret = randomBytes(32).toString("base64");
    const { state, url } = await serve({ BOOTSTRAP_SECRET: secret });
    expect(await admin(url, "ann@example.com", { state })).toMatchObject(refusesSecret); // the folder's is not in force
    await worksOnce(url, { secret });
  });

  it("of the Worker as wrangler builds it, with a secret that was put there", async () => {
    const secret = randomBytes(32).toString("base64");
    const url = await wranglerDev(secret);
    expect(await admin(url, "ann@example.com", { secret: "a guess" })).toMatchObject(refusesSecret);
    await worksOnce(url, { secret });
  });
});
