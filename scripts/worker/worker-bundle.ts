// The Worker as one module, built with esbuild and the resolution rules that wrangler uses. A build takes about 0.15 s
// (`wrangler deploy --dry-run`: 2 s), so there is no cache to go stale. That wrangler's own bundle of the same sources
// starts and answers too is checked by scripts/bundle-budget.ts.
import { build } from "esbuild";

/** Bundles the Worker whose entry module is `main` into the file `outfile`.
 *  @throws when a source does not build; esbuild has printed why. */
export async function bundleWorker(main: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [main],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*", "cloudflare:*"],
    loader: { ".sql": "text" },
    // Class names survive, as with wrangler: the runtime finds Durable Object classes by export name, logs by class name.
    keepNames: false,
    logLevel: "warning",
  }).catch((cause: unknown) => {
    throw new Error("the Worker does not build", { cause });
  });
}
