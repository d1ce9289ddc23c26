// The acceptance tests of the Terraform provider against a fresh flarescale, with OpenTofu (api-v2.md 4.4). The provider's
// source is no Go module here, so a copy of its public repository has to be given; nothing is written into it. The server
// runs in a network that leads nowhere, since the tests set webhooks and log streams at hosts that exist; hence it needs root.
//
//   npm run test:terraform -- --provider DIR [--run PATTERN]
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { openTofuBinary } from "../clients/build.ts";
import { execute, mustExecute } from "../e2e/support/command.ts";
import { type Flarescale, startFlarescale } from "../e2e/support/flarescale.ts";
import { createNetwork, type Namespace } from "../e2e/support/netns.ts";
import { scratchDir } from "../e2e/support/run.ts";
import { fetchServerKey, ScriptedNode } from "../e2e/support/scripted-node.ts";
import { expectations } from "./expectations.ts";
import { type BuiltProvider, buildProvider } from "./provider.ts";

const USAGE = "usage: npm run test:terraform -- --provider DIR [--run PATTERN]";
const TEST_LIMIT_MS = 5 * 60_000;

interface Result {
  readonly name: string;
  readonly passed: boolean;
  readonly output: string;
}

const { values } = parseArgs({
  options: { provider: { type: "string" }, run: { type: "string", default: "^TestAcc" } },
});
if (values.provider === undefined) {
  console.error(USAGE);
  process.exit(2);
}
process.exit((await runAll(values.provider, values.run)) ? 0 : 1);

/** Runs the tests, and tells whether each did what docs/terraform.md says. */
async function runAll(source: string, pattern: string): Promise<boolean> {
  const work = scratchDir("terraform");
  const network = await createNetwork();
  try {
    const namespace = await network.attach("terraform");
    const tofu = await openTofuBinary();
    const provider = await buildProvider(source, work);
    if (!provider.hasRelease) console.error("terraform: the copy has no tags, so migration tests will fail");
    const names = await testNames(provider, pattern);
    const results: Result[] = [];
    for (const [i, name] of names.entries()) {
      const result = await runTest(provider, tofu, namespace, name);
      console.error(`terraform: ${i + 1}/${names.length} ${result.passed ? "passed" : "FAILED"} ${name}`);
      results.push(result);
    }
    return report(results);
  } finally {
    await network.close();
    rmSync(work, { recursive: true, force: true });
  }
}

async function testNames({ tests, dir }: BuiltProvider, pattern: string): Promise<string[]> {
  const listed = await mustExecute(["env", `--chdir=${dir}`, tests, `-test.list=${pattern}`]);
  return listed.split("\n").filter((line) => line.startsWith("TestAcc"));
}

/** Runs one test against a control server of its own: tests leave policies, settings and tags behind. */
async function runTest(provider: BuiltProvider, tofu: string, namespace: Namespace, name: string): Promise<Result> {
  const flarescale = await startFlarescale({ namespace, listen: namespace.address });
  try {
    const variables = {
      HOME: flarescale.stateDir,
      TF_ACC: "1",
      TF_ACC_TERRAFORM_PATH: tofu,
      TF_ACC_PROVIDER_NAMESPACE: "hashicorp",
      TF_ACC_PROVIDER_HOST: "registry.opentofu.org",
      TF_CLI_CONFIG_FILE: provider.cliConfig,
      CHECKPOINT_DISABLE: "1",
      TAILSCALE_BASE_URL: flarescale.workerUrl,
      TAILSCALE_API_KEY: flarescale.apiToken,
      TAILSCALE_TEST_DEVICE_NAME: await enrolDevice(flarescale),
    };
    const argv = [provider.tests, `-test.run=^${name}$`, "-test.v", "-test.timeout=5m"];
    const env = Object.entries(variables).map(([key, value]) => `${key}=${value}`);
    const { code, stdout, stderr } = await execute(["env", `--chdir=${provider.dir}`, ...env, ...argv], TEST_LIMIT_MS);
    // A test that was skipped has proved nothing.
    return { name, passed: code === 0 && stdout.includes(`--- PASS: ${name}`), output: stdout + stderr };
  } finally {
    await flarescale.stop();
  }
}

/** Enrols an untagged device of the token's user; returns its full name. */
async function enrolDevice({ api, authKey, controlUrl }: Flarescale): Promise<string> {
  const node = new ScriptedNode("host1", { RoutableIPs: ["10.0.1.0/24", "1.2.0.0/16", "2.0.0.0/24"] });
  await node.connect({ url: controlUrl, via: "gateway", serverPublicKey: await fetchServerKey(controlUrl) });
  await node.register(authKey);
  node.disconnect();
  return (await api.deviceCalled("host1")).name;
}

function report(results: readonly Result[]): boolean {
  const { passing, known } = expectations();
  for (const { name, passed, output } of results) if (!passed) console.log(`\n=== ${name}\n${output.slice(-6_000)}`);
  const broken = results.filter(({ name, passed }) => !passed && passing.has(name)).map(({ name }) => name);
  const better = results.filter(({ name, passed }) => passed && !passing.has(name)).map(({ name }) => name);
  const unknown = results.filter(({ name }) => !known.has(name)).map(({ name }) => name);
  console.log(`\n${results.filter(({ passed }) => passed).length} of ${results.length} passed`);
  if (broken.length > 0) console.log(`expected to pass: ${broken.join(", ")}`);
  if (better.length > 0) console.log(`passed, docs/terraform.md says otherwise: ${better.join(", ")}`);
  if (unknown.length > 0) console.log(`not in docs/terraform.md: ${unknown.join(", ")}`);
  return broken.length === 0 && better.length === 0 && unknown.length === 0;
}
