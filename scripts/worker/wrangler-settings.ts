// What wrangler.toml says about the Worker, for everything here that runs it without wrangler. Only the keys that plain
// workerd needs are read; environments (`[env.…]`) matter to deployments alone and are left out.
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "smol-toml";

/** The root of this repository. */
export const ROOT = path.resolve(import.meta.dirname, "../..");

/** Secrets of the Worker: bindings that wrangler.toml can only name in a comment. */
export const SECRETS = ["BOOTSTRAP_SECRET", "DERP_MESH_KEY"] as const;

/** The Worker as wrangler.toml describes it. */
export interface WranglerSettings {
  /** Entry module, absolute. */
  readonly main: string;
  readonly compatibilityDate: string;
  readonly objects: readonly { readonly binding: string; readonly className: string }[];
  /** Default value of every variable. */
  readonly vars: Readonly<Record<string, string>>;
}

interface WranglerFile {
  readonly main: string;
  readonly compatibility_date: string;
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
  readonly vars: Readonly<Record<string, string>>;
}

/** Reads wrangler.toml. Its shape is trusted: `wrangler deploy --dry-run` checks it in every test run. */
export function readWranglerSettings(file = path.join(ROOT, "wrangler.toml")): WranglerSettings {
  const parsed = parse(readFileSync(file, "utf8")) as unknown as WranglerFile;
  return {
    main: path.resolve(path.dirname(file), parsed.main),
    compatibilityDate: parsed.compatibility_date,
    objects: parsed.durable_objects.bindings.map((b) => ({ binding: b.name, className: b.class_name })),
    vars: parsed.vars,
  };
}

/** The Worker's variables and secrets that an environment sets. */
export function variablesIn(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = [...Object.keys(readWranglerSettings().vars), ...SECRETS];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
