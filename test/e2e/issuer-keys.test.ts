// A private cluster's key set, kept at the control server by `flarescale issuer-keys` in the cluster, which has no secret:
// it proves itself by a token of that very cluster.
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ApiError } from "./support/api.ts";
import { Child } from "./support/child.ts";
import { CLUSTER_ISSUER, ClusterIssuer } from "./support/cluster-issuer.ts";
import { execute } from "./support/command.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { scratchDir } from "./support/run.ts";
import { until } from "./support/until.ts";

const AGENT = resolve(import.meta.dirname, "../../agent/main.ts");
const INTERVAL_SECONDS = 1;
const ACCOUNT = "flarescale:issuer-keys";

interface Identity {
  readonly id: string;
  readonly audience: string;
}
interface Issuer {
  readonly id: string;
  readonly jwks: { readonly keys: readonly { readonly kid: string }[] };
  readonly keysExpired: boolean;
}

let flarescale: Flarescale;
let cluster: ClusterIssuer;
let operator: Identity;
let publisher: Identity;
let issuerId: string;
let agent: Child | undefined;
const idToken = join(scratchDir("issuer-keys"), "id-token");
const lines: { keyIds: string[]; outcome: string }[] = [];

beforeAll(async () => {
  cluster = await ClusterIssuer.start("one");
  flarescale = await startFlarescale();
  const identity = async (scope: string, account: string) =>
    await flarescale.api.request<Identity>("POST", "/tailnet/-/keys", {
      keyType: "federated",
      scopes: [scope],
      issuer: CLUSTER_ISSUER,
      subject: `system:serviceaccount:${account}`,
    });
  publisher = await identity("issuer_keys", ACCOUNT);
  operator = await identity("devices:core:read", "tailscale:operator");
  const { id } = await flarescale.api.request<Issuer>("POST", "/tailnet/-/issuers", {
    issuer: CLUSTER_ISSUER,
    publishers: [publisher.id],
    jwks: await cluster.keySet(), // kubectl get --raw /openid/v1/jwks
  });
  issuerId = id;
});

afterAll(async () => {
  await agent?.stop();
  await flarescale?.stop();
  cluster?.stop();
});

const issuer = async () => await flarescale.api.request<Issuer>("GET", `/tailnet/-/issuers/${issuerId}`);
const reach = () => [
  `--server=${flarescale.workerUrl}`,
  ...[`--issuer-address=${cluster.origin}`, `--keys-address=${cluster.origin}/openid/v1/jwks`],
  ...[`--issuer-ca=${cluster.caFile}`, `--issuer-token=${cluster.tokenFile}`],
];
/** What the kubelet does with the projected token of the agent's pod. */
const project = async (kid: string) => writeFileSync(idToken, await cluster.token(kid, ACCOUNT, publisher.audience));
const once = async (variable: string, ...more: string[]) =>
  await execute(["env", variable, process.execPath, AGENT, "issuer-keys", ...reach(), "--once", ...more]);

/** Exchanges a token of the operator's service account; the status and, when refused, why. */
async function exchange(kid: string): Promise<string> {
  const jwt = await cluster.token(kid, "tailscale:operator", operator.audience);
  const response = await fetch(`${flarescale.workerUrl}/api/v2/oauth/token-exchange`, {
    method: "POST",
    body: new URLSearchParams({ client_id: operator.id, jwt }),
  });
  const { message } = (await response.json()) as { message?: string };
  return `${response.status} ${message ?? ""}`.trim();
}
/** How long it takes until a token signed by a key is answered so, in milliseconds. */
async function timeUntil(kid: string, answer: string): Promise<number> {
  const since = performance.now();
  await until(`${kid}: ${answer}`, async () => (await exchange(kid)) === answer, { everyMs: 50 });
  return performance.now() - since;
}
const UNKNOWN = "401 jwt: signed by an unknown key";
/** Far below the minute that is the interval unless another is given, and time enough for a round on a busy machine. */
const SOON_MS = INTERVAL_SECONDS * 1_000 + 20_000;

it("follows a rotation while it runs: the new key counts within the interval, then the old one no more", async () => {
  expect(await exchange("one")).toBe("200");
  await project("one");
  const identity = [`--client-id=${publisher.id}`, `--id-token=${idToken}`];
  agent = new Child({
    name: "issuer-keys",
    command: [
      process.execPath,
      AGENT,
      "issuer-keys",
      ...reach(),
      ...identity,
      `--interval=${INTERVAL_SECONDS}`,
      "--json",
    ],
    onLine: (line) => lines.push(JSON.parse(line) as (typeof lines)[number]),
  });
  await agent.until("a round", () => cluster.requests.length >= 4);
  expect(lines).toEqual([]); // the server had these keys

  await cluster.publish("one", "two");
  expect(await exchange("two")).toBe(UNKNOWN);
  expect(await timeUntil("two", "200")).toBeLessThan(SOON_MS);
  expect(await exchange("one")).toBe("200");
  await project("two");

  await cluster.publish("two");
  expect(await timeUntil("one", UNKNOWN)).toBeLessThan(SOON_MS);
  expect(await exchange("two")).toBe("200");
  await agent.until("both lines", () => lines.length >= 2);
  expect(lines).toMatchObject([
    { keyIds: ["one", "two"], outcome: "set" },
    { keyIds: ["two"], outcome: "set" },
  ]);
});

it("can do nothing else with what it has", async () => {
  const jwt = await cluster.token("two", ACCOUNT, publisher.audience);
  const body = new URLSearchParams({ client_id: publisher.id, jwt });
  const response = await fetch(`${flarescale.workerUrl}/api/v2/oauth/token-exchange`, { method: "POST", body });
  const { access_token: token } = (await response.json()) as { access_token: string };
  const status = async (method: string, path: string, sent?: object) =>
    (
      await fetch(`${flarescale.workerUrl}/api/v2/tailnet/-/${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(sent && { body: JSON.stringify(sent) }),
      })
    ).status;
  const other = await flarescale.api.request<Issuer>("POST", "/tailnet/-/issuers", { issuer: "https://other.example" });
  expect([
    await status("GET", "devices"),
    await status("POST", "keys", { keyType: "client", scopes: ["issuer_keys"] }),
    await status("PATCH", `issuers/${issuerId}`, { publishers: [] }),
    await status("PUT", `issuers/${other.id}/keys`, await cluster.keySet()),
    await status("GET", `issuers/${issuerId}`),
  ]).toEqual([403, 403, 403, 404, 200]);
});

it("goes on after the issuer was away, and says so", async () => {
  if (agent === undefined) throw new Error("the agent was not started");
  const warning = () => agent?.logLines(/keys were not looked after/).length ?? 0;
  const before = warning();
  writeFileSync(cluster.tokenFile, "expired\n");
  await agent.until("a warning", () => warning() > before);
  expect(agent.log()).toContain("system:service-account-issuer-discovery");
  expect(await exchange("two")).toBe("200");
  await cluster.publish("two", "three");
  writeFileSync(cluster.tokenFile, "reader\n");
  await timeUntil("three", "200");
});

it("that lost touch is told that a person must help, who does so with --once", async () => {
  if (agent === undefined) throw new Error("the agent was not started");
  await cluster.publish("four"); // all at once: the agent's own token is signed by a key that nobody knows
  await project("four");
  await agent.until("advice", () => agent?.log().includes("an administrator must set them once"));
  expect(await exchange("four")).toBe(UNKNOWN);
  const helped = await once(`FLARESCALE_TOKEN=${flarescale.apiToken}`, "--json");
  expect(helped).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(helped.stdout)).toMatchObject({ issuer: CLUSTER_ISSUER, keyIds: ["four"], outcome: "set" });
  expect(await exchange("four")).toBe("200");
  const again = await once(`FLARESCALE_TOKEN=${flarescale.apiToken}`);
  expect(again.stdout).toMatch(/^https:\/\/kubernetes\.default\.svc\.cluster\.local: 1 keys unchanged, good until /);
  const rounds = cluster.requests.length;
  await agent.until("a round", () => cluster.requests.length >= rounds + 2);
  await cluster.publish("four", "five");
  await timeUntil("five", "200");
});

it("as an OAuth client that no administrator named sets nothing", async () => {
  const body = { keyType: "client", scopes: ["issuer_keys"] };
  const { key, id } = await flarescale.api.request<{ key: string; id: string }>("POST", "/tailnet/-/keys", body);
  const refused = await once(`FLARESCALE_CLIENT_SECRET=${key}`);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain(`no issuer ${CLUSTER_ISSUER} whose keys may be set with this credential`);
  await flarescale.api.request("PATCH", `/tailnet/-/issuers/${issuerId}`, { publishers: [publisher.id, id] });
  expect(await once(`FLARESCALE_CLIENT_SECRET=${key}`)).toMatchObject({ code: 0 });
  await flarescale.api.deleteKey(id);
  expect((await once(`FLARESCALE_CLIENT_SECRET=${key}`)).stderr).toContain("(401)");
});

it("ends on SIGTERM at once, and an issuer that is removed believes nobody", async () => {
  expect(await agent?.stop()).toEqual({ code: 0, signal: null });
  expect((await issuer()).jwks.keys.map(({ kid }) => kid)).toEqual(["five", "four"]);
  await flarescale.api.request("DELETE", `/tailnet/-/issuers/${issuerId}`);
  expect(await exchange("four")).toBe("401 jwt: issuer has an address that may not be asked");
  await expect(issuer()).rejects.toThrow(ApiError);
});
