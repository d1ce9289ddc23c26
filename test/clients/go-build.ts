// Builds commands of a Go module into a folder, and only those that are missing or out of date.
//
// A binary is up to date when its key is the one recorded beside it: the hash of go.mod, go.sum, the flags, the sources
// of the command when they are ours, and the Go version. Looking costs one `go version`, so callers need no cache of
// their own. Several processes may call at once; a lock file makes the second wait for the first. Without Go on the
// machine, binaries that were built before are still good as long as the rest of their key matches.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One command of a module and how to build it. */
export interface GoTarget {
  /** File name of the binary. */
  readonly name: string;
  /** Import path, or `./path` for a command of the module itself. */
  readonly package: string;
  /** Build tags, or a command of the module (`./path`) that prints them. */
  readonly tags?: readonly string[] | string;
  readonly goos?: string;
  readonly goarch?: string;
  /** A file below GOROOT that the binary needs at run time; it is copied beside it. */
  readonly companion?: string;
}

/** A folder with a go.mod, and what to build from it. */
export interface GoModule {
  /** Name for progress messages. */
  readonly name: string;
  readonly dir: string;
  readonly binDir: string;
  /** Values for the linker's -X, by variable. */
  readonly stamps: Readonly<Record<string, string>>;
  readonly targets: readonly GoTarget[];
}

interface BuildRecord {
  readonly key: string;
  readonly goVersion: string;
  readonly seconds: number;
}

/** Thrown when a build cannot be done; the message says what to do about it. */
export class BuildError extends Error {
  override name = "BuildError";
}

/**
 * Builds what is missing of `module` and returns the absolute path of each binary by name.
 * Progress goes to standard error.
 * @throws BuildError when Go is missing or a build fails
 */
export async function buildMissing(module: GoModule): Promise<Record<string, string>> {
  const paths = Object.fromEntries(module.targets.map((target) => [target.name, join(module.binDir, target.name)]));
  const goVersion = await findGoVersion(module.dir);
  if (staleTargets(module, goVersion).length === 0) return paths;
  if (goVersion === undefined) throw new BuildError(goIsMissing(module));

  mkdirSync(module.binDir, { recursive: true });
  const unlock = await lock(join(module.binDir, ".lock"));
  try {
    const stale = staleTargets(module, goVersion); // another process may have built them while we waited
    for (const [index, target] of stale.entries()) {
      const label = `${module.name}/${target.name}`;
      progress(`building ${label} (${index + 1} of ${stale.length})`);
      const seconds = await build(module, target, goVersion);
      progress(`built ${label} in ${seconds.toFixed(1)} s, ${megabytes(join(module.binDir, target.name))} MB`);
    }
  } finally {
    unlock();
  }
  return paths;
}

async function build(module: GoModule, target: GoTarget, goVersion: string): Promise<number> {
  const startedAt = performance.now();
  const out = join(module.binDir, target.name);
  const building = `${out}.${process.pid}.tmp`;
  const tags = typeof target.tags === "string" ? await go(module, ["run", target.tags]) : target.tags?.join(",");
  const stamps = Object.entries(module.stamps).map(([variable, value]) => ` -X ${variable}=${value}`);
  const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", `-s -w${stamps.join("")}`];
  if (tags) flags.push("-tags", tags.trim());
  const environment = {
    CGO_ENABLED: "0",
    ...(target.goos && { GOOS: target.goos }),
    ...(target.goarch && { GOARCH: target.goarch }),
  };
  try {
    await go(module, ["build", ...flags, "-o", building, target.package], environment);
    renameSync(building, out);
  } finally {
    rmSync(building, { force: true });
  }
  if (target.companion) {
    const goRoot = (await go(module, ["env", "GOROOT"])).trim();
    copyFileSync(join(goRoot, target.companion), join(module.binDir, basename(target.companion)));
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const record: BuildRecord = { key: keyOf(module, target), goVersion, seconds: Math.round(seconds * 10) / 10 };
  writeFileSync(recordPath(module, target), `${JSON.stringify(record)}\n`);
  return seconds;
}

async function go(module: GoModule, args: string[], environment: Record<string, string> = {}): Promise<string> {
  const env = { ...process.env, GOWORK: "off", ...environment };
  try {
    return (await run("go", args, { cwd: module.dir, env, maxBuffer: 64 << 20 })).stdout;
  } catch (error) {
    throw new BuildError(`go ${args.join(" ")} failed in ${module.dir}:\n${stderrOf(error)}`, { cause: error });
  }
}

/** The version that builds the module (`go1.26.6`), or undefined without Go. */
async function findGoVersion(dir: string): Promise<string | undefined> {
  try {
    const { stdout } = await run("go", ["version"], { cwd: dir, env: { ...process.env, GOWORK: "off" } });
    return stdout.split(" ")[2];
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new BuildError(`go version failed in ${dir}:\n${stderrOf(error)}`, { cause: error });
  }
}

function staleTargets(module: GoModule, goVersion: string | undefined): GoTarget[] {
  return module.targets.filter((target) => {
    try {
      statSync(join(module.binDir, target.name));
      const record = JSON.parse(readFileSync(recordPath(module, target), "utf8")) as BuildRecord;
      return record.key !== keyOf(module, target) || (goVersion !== undefined && record.goVersion !== goVersion);
    } catch {
      return true; // not built yet, or the record is damaged
    }
  });
}

function recordPath(module: GoModule, target: GoTarget): string {
  return join(module.binDir, `${target.name}.build.json`);
}

function keyOf(module: GoModule, target: GoTarget): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([target, module.stamps]));
  const ours = [target.package, target.tags].filter((path): path is string => typeof path === "string");
  const sources = ours.filter((path) => path.startsWith("./")).flatMap((path) => goFiles(join(module.dir, path)));
  for (const file of [join(module.dir, "go.mod"), join(module.dir, "go.sum"), ...sources]) {
    hash.update(`\0${file.slice(module.dir.length)}\0`).update(readFileSync(file));
  }
  return hash.digest("hex");
}

function goFiles(dir: string): string[] {
  const names = readdirSync(dir).filter((name) => name.endsWith(".go"));
  return names.sort().map((name) => join(dir, name));
}

/** Takes the lock, waiting while the process that holds it lives; returns how to give it back. */
async function lock(path: string): Promise<() => void> {
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    const holder = readPid(path);
    if (holder !== undefined && !isAlive(holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!waited) progress(`waiting for process ${holder ?? "?"}, which builds already`);
    await sleep(200);
  }
}

function readPid(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "utf8")) || undefined;
  } catch {
    return undefined; // given back in the meantime
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string | number | undefined {
  return (error as { code?: string | number }).code;
}

function stderrOf(error: unknown): string {
  return ((error as { stderr?: string }).stderr ?? String(error)).trim();
}

function goIsMissing(module: GoModule): string {
  const wanted = /^go (\S+)$/m.exec(readFileSync(join(module.dir, "go.mod"), "utf8"))?.[1] ?? "1.26";
  return [
    "Go is not installed, or `go` is not on PATH.",
    "The end-to-end tests build the real Tailscale clients from source, from the Go module proxy that `go` is set up with.",
    `Install Go ${wanted} or newer so that \`go version\` works, then run the same command again;`,
    "the unit and workerd tests (`npm run test:unit`, `npm run test:workerd`) need no Go.",
  ].join("\n");
}

function megabytes(path: string): string {
  return (statSync(path).size / 1e6).toFixed(1);
}

function progress(message: string): void {
  process.stderr.write(`clients: ${message}\n`);
}
