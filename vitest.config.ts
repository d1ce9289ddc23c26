// Test projects: `repository` checks the rules of this repository, `unit` runs pure code in Node beside its source,
// `workerd` runs objects and routes inside the real runtime, `e2e` drives real clients, `long` holds the suites that
// only `npm run test:all` runs.
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

// What is awaited is there after milliseconds; how long a busy machine may take for it says nothing about the code.
const patient = { expect: { poll: { timeout: 20_000 } } };
const slow = { ...patient, testTimeout: 300_000, hookTimeout: 300_000, fileParallelism: false, pool: "forks" as const };

export default defineConfig({
  test: {
    projects: [
      { test: { name: "repository", include: ["test/*.test.ts"], testTimeout: 180_000 } },
      {
        test: {
          name: "unit",
          include: ["worker", "db", "agent", "scripts", "test/bench"].map((folder) => `${folder}/**/*.test.ts`),
          testTimeout: 120_000,
          ...patient,
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              // Examples name hosts that exist, and what is sent there is really sent: nothing leaves.
              outboundService: () => new Response("tests reach nobody outside", { status: 503 }),
              bindings: {
                BOOTSTRAP_SECRET: "test-bootstrap-secret",
                API_REQUESTS_PER_SECOND: "0",
                DERP_MESH_KEY: "5e".repeat(32),
                PRIVATE_RECEIVERS: "receiver.lan:8088,10.0.0.5:9000",
              },
              // Answers in place of private networks, so that a test can tell which way a request took.
              serviceBindings: { PRIVATE_NETWORK: () => new Response(null, { status: 418 }) },
            },
          }),
        ],
        test: {
          name: "workerd",
          include: ["test/workerd/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 60_000,
          ...patient,
        },
      },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...slow } },
      { test: { name: "long", include: ["test/long/**/*.test.ts"], ...slow, testTimeout: 3_600_000 } },
    ],
  },
});
