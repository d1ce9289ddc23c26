// The description of the API, fuzzed by a program that no one here wrote: schemathesis makes requests from it, good and
// bad, sends them to the running server, and compares what comes back with what is described.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { OPERATIONS } from "../../worker/routes/api/v2/access.ts";
import { PATH_EXAMPLES } from "../../worker/routes/api/v2/description/examples.ts";
import { schemathesisCommand, schemathesisHooks } from "../clients/schemathesis.ts";
import { execute } from "./support/command.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { createNetwork, type Network } from "./support/netns.ts";
import { scratchDir } from "./support/run.ts";
import { fetchServerKey, ScriptedNode } from "./support/scripted-node.ts";

/**
 * Cases for each operation; what is generated depends on this and the seed alone. The limit of requests for each token
 * makes all of this take about a minute.
 */
const CASES = 4;
const SEED = 20_261_124;

/**
 * Everything that schemathesis checks, but that what the schema permits must be accepted: a schema can not say that a
 * name is taken, a tag undefined or a policy's test failing.
 */
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
  "negative_data_rejection",
  "missing_required_header",
  "unsupported_method",
  "allow_header_conformance",
  "ignored_auth",
];

let network: Network;
let flarescale: Flarescale;
let command: string;
const dir = scratchDir("schemathesis");

beforeAll(async () => {
  command = await schemathesisCommand();
  // Webhooks and log streams that it makes lead to hosts that exist, so the server gets a network that leads nowhere.
  network = await createNetwork();
  const namespace = await network.attach("fuzzed");
  flarescale = await startFlarescale({ namespace, listen: namespace.address });
});

afterAll(async () => {
  await flarescale?.stop();
  await network?.close();
});

/** Makes one thing of each kind, so that requests reach more than a look-up that fails; returns their ids. */
async function population(): Promise<Record<string, string>> {
  const { api, controlUrl, authKey } = flarescale;
  await api.setPolicy({ tagOwners: { "tag:web": [] } });
  const node = new ScriptedNode("fuzzed");
  await node.connect({ url: controlUrl, via: "gateway", serverPublicKey: await fetchServerKey(controlUrl) });
  await node.register(authKey);
  node.disconnect();
  const key = await api.createAuthKey();
  const made = async (path: string, body: object) => await api.request<Record<string, string>>("POST", path, body);
  const webhook = await made("/tailnet/-/webhooks", { endpointUrl: "https://example.com/endpoint" });
  const posture = await made("/tailnet/-/posture/integrations", { provider: "falcon", clientSecret: "secret" });
  const issuer = await made("/tailnet/-/issuers", { issuer: "https://issuer.example.com" });
  await api.request("PUT", "/tailnet/-/services/svc:web", { name: "svc:web", ports: ["tcp:443"], tags: ["tag:web"] });
  return {
    ...PATH_EXAMPLES,
    deviceId: (await api.deviceCalled("fuzzed")).nodeId,
    keyId: key.id,
    endpointId: webhook.endpointId ?? "",
    integrationId: posture.id ?? "",
    issuerId: issuer.id ?? "",
  };
}

/** Operations that would end what the others are to find, or the token that they come with; they get ids of nobody. */
const ENDING = [
  "deleteDevice",
  "deleteKey",
  "deleteService",
  "deleteVipService",
  "deleteWebhook",
  "deletePostureIntegration",
  "deleteIssuer",
];

/** Left out where requests follow from answers: they end the token that all come with, or make nothing without a secret. */
const UNFOLLOWED = ["deleteKey", "deleteUser", "bootstrap", "requestToken", "exchangeToken"];

/** Scenarios of requests that follow from answers. */
const SCENARIOS = 120;

/** Runs schemathesis to its end; returns what it printed, and fails where it found fault. */
async function run(name: string, settings: readonly string[], args: readonly string[]): Promise<string> {
  const config = join(dir, `${name}.toml`);
  writeFileSync(config, [`hooks = ${JSON.stringify(schemathesisHooks)}`, "[parameters]", ...settings, ""].join("\n"));
  const { code, stdout, stderr } = await execute(
    [
      ...["env", `--chdir=${dir}`, "PYTHONDONTWRITEBYTECODE=1", command, `--config-file=${config}`, "run"],
      // It does not test the operation that the description came from, so it comes from the other place.
      `${flarescale.workerUrl}/api/v2?outputOpenapiSchema=true`,
      ...["--header", `Authorization: Bearer ${flarescale.apiToken}`, "--seed", String(SEED), ...args],
      ...["--generation-database", "none", "--no-shrink", "--continue-on-failure"],
      ...["--rate-limit", "90/s", "--warnings", "off", "--suppress-health-check", "all", "--no-color"],
    ],
    240_000,
  );
  expect(code, `${stdout.slice(-12_000)}\n${stderr}`).toBe(0);
  return stdout;
}

const parameters = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([name, value]) => `"path.${name}" = ${JSON.stringify(value)}`);

/** The number that `pattern` finds in what was printed. */
const numberIn = (printed: string, pattern: RegExp) => Number(pattern.exec(printed)?.[1]);

it("answers whatever the description permits, and what it does not, as described and never with a failure", async () => {
  const ending = ENDING.flatMap((operation) => [
    "[[operations]]",
    `include-operation-id = "${operation}"`,
    "[operations.parameters]",
    ...parameters(PATH_EXAMPLES),
  ]);
  const settings = [...parameters(await population()), ...ending];
  const phases = ["--phases", "examples,coverage,fuzzing", "--max-examples", String(CASES)];
  const printed = await run("apart", settings, [...phases, "--checks", CHECKS.join(",")]);
  const all = Object.keys(OPERATIONS).length;
  expect(/(\d+) selected \/ (\d+) total/.exec(printed)?.slice(1).map(Number)).toEqual([all, all]);
  expect(numberIn(printed, /(\d+) generated/)).toBeGreaterThan(1_000);
  // The server has survived it, and the token still opens it.
  expect((await flarescale.api.devices()).length).toBe(1);
}, 280_000);

it("answers requests that follow from each other so too: what was made is there, what was removed is gone", async () => {
  const phases = ["--phases", "stateful", "--max-examples", String(SCENARIOS)];
  const checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance"];
  checks.push("response_schema_conformance", "use_after_free", "ensure_resource_availability");
  const printed = await run("in-turn", parameters({ tailnet: "-" }), [
    ...[...phases, "--checks", checks.join(",")],
    ...UNFOLLOWED.flatMap((operation) => ["--exclude-operation-id", operation]),
  ]);
  expect(numberIn(printed, /(\d+) covered/)).toBeGreaterThan(10);
  expect(numberIn(printed, /(\d+) generated/)).toBeGreaterThan(300);
}, 280_000);
