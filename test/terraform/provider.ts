// The Terraform provider from a copy of its public repository: its acceptance tests as one program, and the release that
// its migration tests compare with, in a mirror that stands in for a registry.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { mustExecute } from "../e2e/support/command.ts";

/** Release that migration tests start from. */
const RELEASE = "0.28.0";
const REGISTRY = "registry.opentofu.org";
const BUILD_LIMIT_MS = 30 * 60_000;

/** What the acceptance tests need. */
export interface BuiltProvider {
  /** The compiled tests. */
  readonly tests: string;
  /** The folder that they run in. */
  readonly dir: string;
  /** Configuration of OpenTofu's command that knows the mirror; no registry is asked. */
  readonly cliConfig: string;
  /** Whether the mirror has the release; without it migration tests fail. */
  readonly hasRelease: boolean;
}

/** Builds the tests in a copy of the repository. @throws Error when a build fails */
export async function buildProvider(source: string, work: string): Promise<BuiltProvider> {
  const dir = join(work, "provider");
  cpSync(source, dir, { recursive: true });
  const tests = join(work, "provider.test");
  console.error("terraform: building the provider's acceptance tests");
  await go(dir, ["test", "-mod=mod", "-c", "-o", tests, "./tailscale"]);
  const mirror = join(work, "mirror");
  const hasRelease = await buildRelease(dir, work, mirror);
  return { tests, dir: join(dir, "tailscale"), cliConfig: writeCliConfig(work, mirror), hasRelease };
}

/** Builds the release from its tag into the mirror; false when the copy has no such tag. */
async function buildRelease(dir: string, work: string, mirror: string): Promise<boolean> {
  const archive = join(work, "release.tar");
  try {
    await mustExecute(["git", "-C", dir, "archive", `--output=${archive}`, `v${RELEASE}`]);
  } catch {
    return false;
  }
  const sources = join(work, "release");
  mkdirSync(sources);
  await mustExecute(["tar", "-x", "-f", archive, "-C", sources]);
  rmSync(archive);
  const platform = `linux_${arch() === "arm64" ? "arm64" : "amd64"}`;
  const binary = join(mirror, REGISTRY, "tailscale", "tailscale", RELEASE, platform);
  console.error(`terraform: building release ${RELEASE}`);
  await go(sources, [
    "build",
    "-mod=mod",
    "-trimpath",
    "-o",
    join(binary, `terraform-provider-tailscale_v${RELEASE}`),
    ".",
  ]);
  return true;
}

function writeCliConfig(work: string, mirror: string): string {
  mkdirSync(mirror, { recursive: true });
  const path = join(work, "tofurc");
  writeFileSync(path, `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`);
  return path;
}

async function go(dir: string, args: readonly string[]): Promise<void> {
  const { HOME = "", GOPROXY = "", GOCACHE = "", GOMODCACHE = "" } = process.env;
  const given = Object.entries({ HOME, GOPROXY, GOCACHE, GOMODCACHE }).filter(([, value]) => value !== "");
  const variables = [...given.map(([name, value]) => `${name}=${value}`), "GOWORK=off", "CGO_ENABLED=0"];
  await mustExecute(["env", `--chdir=${dir}`, ...variables, "go", ...args], BUILD_LIMIT_MS);
}
