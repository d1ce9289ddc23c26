// Bindings and settings, parsed once. The only file that reads them (style.md 3.2).
import type { Deployment } from "./mapper/deployment.ts";
import { DEFAULT_DERP_MAP } from "./protocol/control/default-derp-map.ts";
import { type DerpMap, parseDerpMap } from "./protocol/control/derp-map.ts";

/** Settings of this deployment. URLs have no trailing slash. */
export interface Settings extends Deployment {
  /** Origin for links that people open; empty: the origin of the request. */
  readonly publicUrl: string;
  /** Login server that native clients use, for texts; empty: `publicUrl`. */
  readonly controlUrl: string;
  /** Lets its holder create the first administrator; empty: nobody can. */
  readonly bootstrapSecret: string;
}

/** Reads the settings. @throws Error that says which variable is wrong */
export function readSettings(env: Env): Settings {
  return {
    publicUrl: readUrl(env, "PUBLIC_URL"),
    controlUrl: readUrl(env, "CONTROL_URL"),
    magicDnsSuffix: readSuffix(variable(env, "MAGIC_DNS_SUFFIX")),
    tailnetName: variable(env, "TAILNET_NAME") || "flarescale",
    derpMap: readDerpMap(variable(env, "DERP_MAP")),
    bootstrapSecret: variable(env, "BOOTSTRAP_SECRET"),
  };
}

/** A variable or secret; empty when it is not set, which plain workerd says with null. */
function variable(env: Env, name: string): string {
  const value = (env as unknown as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : "";
}

function readUrl(env: Env, name: string): string {
  const value = variable(env, name);
  if (value !== "" && !/^https?:\/\/[^/\s]+$/.test(value)) {
    throw new Error(`${name} must be an origin such as https://control.example.com, without a path`);
  }
  return value;
}

function readSuffix(value: string): string {
  const suffix = (value || "tail.internal").toLowerCase().replaceAll(/^\.|\.$/g, "");
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(suffix)) throw new Error("MAGIC_DNS_SUFFIX must be a DNS name");
  return suffix;
}

function readDerpMap(text: string): DerpMap {
  if (text === "") return DEFAULT_DERP_MAP;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("DERP_MAP is not JSON");
  }
  const map = parseDerpMap(value);
  if (typeof map === "string") throw new Error(`DERP_MAP: ${map}`);
  return map;
}
