// What the suites with real clients need of the operating system. On Debian and its relatives, and as root, missing
// packages are installed; elsewhere the suite fails and says what to install.
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { execute } from "./execute.ts";
import type { Suite } from "./suite.ts";

/** Commands that the suites run, and the Debian packages that hold them. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ["ip", "iproute2"],
  ["nft", "nftables"],
]);

/** The same suite, run only when the system packages are there; it counts as failed otherwise. */
export function withSystemPackages(suite: Suite): Suite {
  const run: Suite["run"] = async () => {
    const problem = await installMissing();
    if (problem === null) return suite.run();
    console.log(problem);
    return { passed: 0, failed: [{ name: problem, why: "" }], skipped: [] };
  };
  return { name: suite.name, run };
}

/** Installs what is missing; the result says why that did not work, null when all is there. */
async function installMissing(): Promise<string | null> {
  const missing = missingPackages();
  if (missing.length === 0) return null;
  const advice = `missing on this machine: ${missing.join(", ")}`;
  if (!isRunnable("apt-get")) return `${advice}; install what your system calls them`;
  if (process.getuid?.() !== 0) return `${advice}; install them with: sudo apt-get install ${missing.join(" ")}`;
  console.log(`installing ${missing.join(", ")} …`);
  for (const args of [["update"], ["install", "--yes", "--no-install-recommends", ...missing]]) {
    const { ok, output } = await execute({ command: "apt-get", args, timeLimitMinutes: 10, show: false });
    if (!ok) return `${advice}; apt-get ${args[0]} failed:\n${output}`;
  }
  return null;
}

function missingPackages(): string[] {
  return [...PACKAGES].filter(([command]) => !isRunnable(command)).map(([, name]) => name);
}

/** Whether the command is on the PATH, or in the folders for administration that not every PATH has. */
function isRunnable(command: string): boolean {
  const folders = [...(process.env.PATH ?? "").split(path.delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
