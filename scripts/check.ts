// `npm run check`: what every commit passes, in under two minutes. Format, types, lint, the repository's own rules,
// unit tests and the tests inside workerd.
import { runSuites } from "./checks/run-suites.ts";
import { QUICK_SUITES } from "./checks/suites.ts";

process.exitCode = (await runSuites(QUICK_SUITES)) ? 0 : 1;
