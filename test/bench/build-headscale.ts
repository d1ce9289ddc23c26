// Builds the headscale binary that `npm run bench -- --headscale` measures, from a copy of its public repository. The Go
// module proxy does not serve headscale, so the copy is the caller's to make.
//
//   node test/bench/build-headscale.ts SOURCE [OUTPUT]
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { runCommand, UsageError } from "../../scripts/command-line.ts";
import { ROOT } from "../../scripts/worker/wrangler-settings.ts";

const MODULE = "github.com/juanfont/headscale";

await runCommand(async () => {
  const [source, output, ...rest] = process.argv.slice(2);
  if (source === undefined || rest.length > 0) throw new UsageError("usage: build-headscale.ts SOURCE [OUTPUT]");
  const folder = sourceFolder(source);
  const binary = resolve(output ?? join(folder, "headscale"));
  if (!relative(ROOT, binary).startsWith("..")) throw new UsageError(`${binary} lies in this repository; name another`);
  const env = { ...process.env, CGO_ENABLED: "0" };
  const build = ["build", "-trimpath", "-o", binary, "./cmd/headscale"];
  const { status, error } = spawnSync("go", build, { cwd: folder, env, stdio: "inherit" });
  if (error !== undefined) throw new Error(`go could not be started: ${error.message}`);
  if (status !== 0) throw new Error("headscale was not built; see above");
  process.stdout.write(`${binary}\n`);
  return 0;
});

/** @throws UsageError when the folder is not a copy of headscale */
function sourceFolder(text: string): string {
  const folder = resolve(text);
  const manifest = join(folder, "go.mod");
  if (!existsSync(manifest)) throw new UsageError(`${folder} has no go.mod: it is no copy of headscale's repository`);
  const name = /^module (\S+)/m.exec(readFileSync(manifest, "utf8"))?.[1];
  if (name !== MODULE) throw new UsageError(`${folder} holds ${name ?? "no module"}, not ${MODULE}`);
  return folder;
}
