// `npm test`: every suite but the longest, which `npm run test:all` adds. The last line is
// `N passed, N failed, N skipped`; the exit code is 1 when anything failed or was skipped.
import { parseArgs } from "node:util";
import { runSuites } from "./checks/run-suites.ts";
import { LONG_SUITES, SUITES } from "./checks/suites.ts";
import { runCommand, UsageError } from "./command-line.ts";

const HELP = `Runs the tests.

Usage: npm test -- [options]

  --all            the suites that take hours as well
  --only NAMES     only these suites, separated by commas: ${[...SUITES, ...LONG_SUITES].map(({ name }) => name).join(", ")}
  --help           this text
`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: { all: { type: "boolean" }, only: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const suites = values.only === undefined ? [...SUITES, ...(values.all ? LONG_SUITES : [])] : named(values.only);
  return (await runSuites(suites)) ? 0 : 1;
});

function named(names: string): typeof SUITES {
  return names.split(",").map((name) => {
    const suite = [...SUITES, ...LONG_SUITES].find((candidate) => candidate.name === name);
    if (!suite) throw new UsageError(`there is no suite "${name}"; npm test -- --help lists them`);
    return suite;
  });
}
