// Proof with software that no one here wrote: upstream's own commands that need the REST API. gitops-pusher keeps the
// policy file in a repository, get-authkey makes auth keys for scripts, tailscale joins with the secret of an OAuth client.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatHuJson } from "../../worker/policy/hujson/format.ts";
import { apiBinaries, clientBinaries } from "../clients/build.ts";
import { hujsonDocuments } from "../support/hujson-documents.ts";
import { type Environment, execute, type Output } from "./support/command.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { freeLoopbackPort } from "./support/local-http.ts";
import { scratchDir } from "./support/run.ts";
import { fetchServerKey, ScriptedNode } from "./support/scripted-node.ts";
import { Tailscaled } from "./support/tailscaled.ts";

let flarescale: Flarescale;
let tools: Awaited<ReturnType<typeof apiBinaries>>;
let httpsPort: number;
const dir = scratchDir("api-tools");

beforeAll(async () => {
  await clientBinaries();
  tools = await apiBinaries();
  httpsPort = await freeLoopbackPort();
  flarescale = await startFlarescale({ httpsPort });
});

afterAll(async () => {
  await flarescale?.stop();
});

/** Makes an OAuth client. */
async function oauthClient(scopes: readonly string[], tags: readonly string[]): Promise<{ id: string; key: string }> {
  return await flarescale.api.request("POST", "/tailnet/-/keys", { keyType: "client", scopes, tags });
}

/** Runs a program in a folder of its own, because gitops-pusher keeps its cache where it runs, with variables set. */
async function runWith(env: Environment, argv: readonly string[]): Promise<Output> {
  return await execute([
    "env",
    `--chdir=${dir}`,
    ...Object.entries(env).map(([name, value]) => `${name}=${value ?? ""}`),
    ...argv,
  ]);
}

it("HuJSON has the canonical form that upstream's formatter makes of it", () => {
  const documents = [hujsonDocuments(false), hujsonDocuments(true)].flatMap((each) => fc.sample(each, 4_000));
  const broken = documents.slice(0, 1_000).map((text, i) => text.slice(0, (i * 7) % text.length));
  const input = JSON.stringify([...documents, ...broken]);
  const output = execFileSync(tools.hujsonFormat, { input, maxBuffer: 1 << 28, encoding: "utf8" });
  for (const [i, formatted] of (JSON.parse(output) as (string | null)[]).entries()) {
    const document = [...documents, ...broken][i] as string;
    expect(formatHuJson(document) ?? null, JSON.stringify(document)).toBe(formatted);
  }
});

it("the first Go client finds policy file, DNS settings, devices and keys as it expects them", async () => {
  const node = new ScriptedNode("old", { RoutableIPs: ["10.9.0.0/24"] });
  const { controlUrl, authKey, apiToken, workerUrl } = flarescale;
  await node.connect({ url: controlUrl, via: "gateway", serverPublicKey: await fetchServerKey(controlUrl) });
  await node.register(authKey);
  node.disconnect();
  const { nodeId } = await flarescale.api.deviceCalled("old");
  const env = { FLARESCALE_URL: workerUrl, FLARESCALE_API_TOKEN: apiToken };
  const { code, stdout } = await runWith(env, [tools.firstApiClient, nodeId]);
  const lines = stdout.trim().split("\n");
  const seen = lines.map((text) => JSON.parse(text) as { step: string; saw?: unknown; error?: string });
  const config = { resolvers: [], fallbackResolvers: [], routes: { "corp.example.com": [{ addr: "192.0.2.54" }] } };
  const routes = { advertisedRoutes: ["10.9.0.0/24"], enabledRoutes: ["10.9.0.0/24"] };
  const refusal = 'address "100.64.0.1:22": want: Accept, got: Drop';
  expect([code, seen.map(({ step, saw, error }) => [step, error ?? saw])]).toEqual([
    0,
    [
      [
        "policy",
        {
          ...{ set: true, read: true, sameTag: true, warnings: [], tagOwners: { "tag:ci": [] } },
          stale: expect.stringContaining("Status: 412"),
        },
      ],
      ["preview", { user: [{ users: ["*"], ports: ["*:443"], lineNumber: 4, postures: null }], port: 1 }],
      [
        "test",
        {
          passed: { Status: 0, Message: "", data: null },
          failed: { Status: 0, Message: "test(s) failed", data: [{ user: "admin@localhost", errors: [refusal] }] },
        },
      ],
      [
        "DNS",
        {
          ...{ ...config, resolvers: [{ addr: "192.0.2.53", useWithExitNode: true }] },
          ...{ domains: ["corp.example.com"], proxied: true, nameservers: [] },
        },
      ],
      ["DNS in parts", { servers: ["192.0.2.53"], paths: ["corp.example.com"], magic: true }],
      ["DNS cleared", { ...config, domains: [], proxied: false, nameservers: [] }],
      ["device", { listed: 1, hostname: "old", advertised: ["10.9.0.0/24"], routes, sameRoutes: true }],
      ["device deleted", expect.stringContaining("Status: 404")],
      [
        "auth key",
        {
          create: { reusable: false, ephemeral: false, preauthorized: true, tags: ["tag:ci"] },
          ...{ secret: true, listed: true, life: "1h0m0s" },
        },
      ],
    ],
  ]);
  await flarescale.api.setPolicy(""); // as the other tools find it
});

describe("gitops-pusher", () => {
  const policyFile = join(dir, "policy.hujson");
  const FIRST = '{"tagOwners":{"tag:ci":[]},"acls":[{"action":"accept","src":["*"],"dst":["*:*"]}]} // not laid out\n';
  const SECOND = `// Laid out by hand.\n{\n  "tagOwners": {"tag:ci": [], "tag:server": ["tag:ci"]},\n  "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],\n}\n`;

  let credentials: Environment;

  async function push(command: string, policy: string, ...flags: string[]): Promise<Output> {
    writeFileSync(policyFile, policy);
    const options = [`--api-server=127.0.0.1:${httpsPort}`, `--policy-file=${policyFile}`, ...flags];
    const trust = { SSL_CERT_FILE: join(flarescale.stateDir, "gateway", "gateway-tls.pem"), TS_TAILNET: "-" };
    return await runWith({ ...trust, ...credentials }, [tools.gitopsPusher, ...options, command]);
  }

  beforeAll(async () => {
    const client = await oauthClient(["policy_file"], []);
    credentials = { TS_OAUTH_ID: client.id, TS_OAUTH_SECRET: client.key };
  });

  it("tests, pushes, and has nothing to push the second time, however the file is laid out", async () => {
    expect(await push("test", FIRST)).toMatchObject({ code: 0 });
    expect(await flarescale.api.policy()).not.toBe(FIRST);
    expect(await push("apply", FIRST)).toMatchObject({ code: 0 });
    expect(await flarescale.api.policy()).toBe(FIRST);
    expect(await push("apply", FIRST, "--fail-on-manual-edits")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("no update needed, doing nothing"),
    });
    expect(await push("apply", SECOND, "--fail-on-manual-edits")).toMatchObject({ code: 0 });
    expect(await flarescale.api.policy()).toBe(SECOND);
    const { stderr } = await push("checksum", SECOND);
    const [control, local] = ["control", "local"].map((name) => new RegExp(`${name}: +(\\w{64})`).exec(stderr)?.[1]);
    expect(control).toBe(local);
  });

  it("shows what is wrong with a file, where, and pushes nothing", async () => {
    const failing = `{"acls": [], "tests": [{"src": "admin@localhost", "accept": ["100.64.0.1:22"]}]}\n`;
    for (const command of ["test", "apply"]) {
      const tested = await push(command, failing);
      expect(tested).toMatchObject({ code: 1, stdout: expect.stringContaining("For user admin@localhost") });
      const malformed = await push(
        command,
        '{\n  "acls": [{"action": "accept", "src": ["tag:nobody"], "dst": ["*:*"]}],\n}\n',
      );
      expect(malformed).toMatchObject({ code: 1, stdout: expect.stringMatching(/::error file=.*,line=2,col=\d+::/) });
    }
    expect(await flarescale.api.policy()).toBe(SECOND);
  });

  it("notices edits on the server", async () => {
    await flarescale.api.setPolicy({ tagOwners: { "tag:x": [] } });
    const refused = await push("apply", SECOND, "--fail-on-manual-edits");
    expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining("modified externally") });
    expect(await push("apply", SECOND)).toMatchObject({ code: 0 });
    expect(await flarescale.api.policy()).toBe(SECOND);
  });

  it("comes in with an API token too, and not without rights", async () => {
    const admitted = credentials;
    credentials = { TS_API_KEY: flarescale.apiToken };
    expect(await push("apply", FIRST)).toMatchObject({ code: 0 });
    const client = await oauthClient(["dns"], []);
    credentials = { TS_OAUTH_ID: client.id, TS_OAUTH_SECRET: client.key };
    expect(await push("apply", SECOND)).toMatchObject({ code: 1, stdout: expect.stringContaining("403") });
    credentials = admitted;
    expect(await flarescale.api.policy()).toBe(FIRST);
  });
});

describe("keys and nodes by the secret of an OAuth client", () => {
  beforeAll(() => flarescale.api.setPolicy({ tagOwners: { "tag:x": [], "tag:y": ["tag:x"], "tag:z": [] } }));

  it("get-authkey makes a key as it is asked to", async () => {
    const client = await oauthClient(["auth_keys"], ["tag:x"]);
    const getAuthkey = async (...flags: string[]) =>
      await runWith(
        { TS_BASE_URL: flarescale.workerUrl, TS_API_CLIENT_ID: client.id, TS_API_CLIENT_SECRET: client.key },
        [tools.getAuthkey, ...flags],
      );
    const made = await getAuthkey("-reusable", "-ephemeral", "-preauth=false", "-tags=tag:x,tag:y");
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^tskey-auth-k\w+CNTRL-\w{32}\n$/) });
    const id = made.stdout.split("-")[2] ?? "";
    expect(await flarescale.api.request("GET", `/tailnet/-/keys/${id}`)).toMatchObject({
      capabilities: {
        devices: { create: { reusable: true, ephemeral: true, preauthorized: false, tags: ["tag:x", "tag:y"] } },
      },
    });
    expect(await getAuthkey("-tags=tag:z")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("requested tags [tag:z] are invalid or not permitted"),
    });
  });

  // Without baseURL the command would ask its vendor.
  it.each([
    ["", { isEphemeral: true, authorized: false }],
    ["ephemeral=false&preauthorized=true", { isEphemeral: false, authorized: true }],
    ["preauthorized=true", { isEphemeral: true, authorized: true }],
  ])("tailscale joins with the options '%s'", async (options, expected) => {
    await flarescale.api.request("PATCH", "/tailnet/-/settings", { devicesApprovalOn: true });
    const { key: secret } = await oauthClient(["auth_keys"], ["tag:x"]);
    const hostname = `by-oauth-${options.length}`;
    const node = await Tailscaled.start({ hostname });
    const query = [...(options === "" ? [] : [options]), `baseURL=${encodeURIComponent(flarescale.workerUrl)}`].join(
      "&",
    );
    const argv = [`--auth-key=${secret}?${query}`, "--advertise-tags=tag:x"];
    const isUp = node.up(flarescale.controlUrl, argv);
    const device = await Promise.race([
      isUp.then(() => flarescale.api.deviceCalled(hostname)),
      node.child.until("device", () => flarescale.api.deviceCalled(hostname).catch(() => undefined)),
    ]);
    expect(device).toMatchObject({ tags: ["tag:x"], ...expected });
    await flarescale.api.setAuthorized(device.id, true);
    await isUp;
    await node.stop();
  });
});
