// Every suite of this repository, in the order in which they run: the quick ones that catch the most come first.
// A new suite of real clients is a vitest project, or a folder of an existing one; it needs a line here only if it is a
// project of its own.
import { commandSuite, type Suite, vitestSuite } from "./suite.ts";
import { withSystemPackages } from "./system-packages.ts";

/** What `npm run check` runs. */
export const QUICK_SUITES: readonly Suite[] = [
  commandSuite("format", ["biome check --error-on-warnings ."]),
  commandSuite("types", [
    "wrangler types worker-configuration.d.ts",
    "tsc -p tsconfig.worker.json",
    "tsc -p tsconfig.node.json",
  ]),
  commandSuite("lint", ["oxlint --type-aware", "knip --no-progress"]),
  vitestSuite("repository", 5),
  vitestSuite("unit", 15),
  vitestSuite("workerd", 20),
];

/** What `npm test` runs. */
export const SUITES: readonly Suite[] = [
  ...QUICK_SUITES,
  commandSuite("bundle", ["node scripts/bundle-budget.ts"], { show: true }),
  commandSuite("clients", ["node test/clients/build.ts"], { timeLimitMinutes: 20 }),
  commandSuite("bench", ["node test/bench/main.ts --nodes=25 --repeats=1 --idle-seconds=1 --no-gateway --no-relay"], {
    timeLimitMinutes: 10,
  }),
  withSystemPackages(vitestSuite("e2e", 30)),
];

/** What `npm run test:all` adds. */
export const LONG_SUITES: readonly Suite[] = [withSystemPackages(vitestSuite("long", 360))];
