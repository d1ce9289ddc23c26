// What every `npm run` of this repository starts: `node scripts/bootstrap.mjs <script.ts> [arguments…]`.
// Plain JavaScript without dependencies, because it runs on whatever Node (20 or newer) the machine has, in a clone
// where nothing is installed yet. It installs what package-lock.json names when node_modules does not hold it, then
// runs the script with the Node version that the lockfile pins (that one runs TypeScript). Standard output belongs to
// the script alone: the progress of an installation goes to standard error.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = path.join(root, "node_modules");
const pinnedNode = path.join(modules, ".bin", "node");

/** The `packages` of a lockfile, by path; empty where there is no readable file. */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return {};
  }
}

/** Whether node_modules holds every package of package-lock.json at its version. npm writes the list of what it
 *  installed last of all, so an installation that was interrupted counts as none. */
function isInstalled() {
  if (!existsSync(pinnedNode)) return false;
  const installed = lockedPackages(path.join(modules, ".package-lock.json"));
  return Object.entries(lockedPackages(path.join(root, "package-lock.json"))).every(
    ([place, wanted]) =>
      place === "" || installed[place]?.version === wanted.version || (wanted.optional && !installed[place]),
  );
}

function install() {
  console.error("installing dependencies (npm ci) …");
  const npm = spawnSync("npm", ["ci"], { cwd: root, stdio: ["ignore", 2, 2] });
  if (npm.status === 0) return;
  console.error(npm.error ? `cannot run npm: ${npm.error.message}` : "npm ci failed, see above");
  process.exit(1);
}

/** Replaces this process as nearly as Node can: same standard streams, signals passed on, same end. */
function become(script, args) {
  const child = spawn(pinnedNode, [path.resolve(root, script), ...args], {
    stdio: "inherit",
    env: { ...process.env, PATH: `${path.join(modules, ".bin")}${path.delimiter}${process.env.PATH ?? ""}` },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`cannot run ${pinnedNode}: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

const [script, ...args] = process.argv.slice(2);
if (!script) {
  console.error("usage: node scripts/bootstrap.mjs <script.ts> [arguments…]");
  process.exit(2);
}
if (!isInstalled()) install();
become(script, args);
