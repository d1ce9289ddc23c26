// Bindings and settings, parsed once. The only file that reads them (style.md 3.2).
import type { Deployment } from "./mapper/deployment.ts";
import { fromHex } from "./protocol/bytes.ts";
import { joinDerpMaps } from "./protocol/control/deployment-derp-map.ts";
import { type DerpMap, parseDerpMap } from "./protocol/control/derp-map.ts";
import { isJsonObject } from "./protocol/control/json.ts";
import { BUILT_IN_REGION, type OwnRegion, parseOwnRegions } from "./protocol/control/own-regions.ts";
import { parseAddress } from "./protocol/ip.ts";
import { DERP_MIN_RATE, DERP_REGION_RATE } from "./protocol/limits.ts";
import { type PrivateWorld, parsePrivateReceivers } from "./protocol/private-receivers.ts";

/** Settings of this deployment. URLs have no trailing slash. */
export interface Settings extends Deployment {
  /** Origin for links that people open; empty: the origin of the request. */
  readonly publicUrl: string;
  /** Lets its holder create the first administrator; empty: nobody can. */
  readonly bootstrapSecret: string;
  /** Requests to the API that each credential may make per second, with bursts of five times as many; 0: any number. */
  readonly apiRequestsPerSecond: number;
  readonly relay: RelaySettings;
  /** What logs and events may be sent to besides public addresses. */
  readonly privateWorld: PrivateWorld;
  /** Addresses of hosts that clients ask for when their DNS is broken, by name. */
  readonly bootstrapDns: Readonly<Record<string, readonly string[]>>;
}

/** Settings of our own relays, which serve all tailnets. */
export interface RelaySettings {
  readonly regions: readonly OwnRegion[];
  /** Whether anybody may use them, instead of the nodes of our tailnets alone. */
  readonly isOpen: boolean;
  /** Key of other relays that work with ours, 32 bytes; undefined: there are none. */
  readonly meshKey: Uint8Array | undefined;
  /** What one client may send, in bytes per second; undefined: as much as there is room for. */
  readonly clientRate: number | undefined;
  /** What all clients of a region may send together before each is held to its share, in bytes per second. */
  readonly regionRate: number;
}

/** Reads the settings. @throws Error that says which variable is wrong */
export function readSettings(env: Env): Settings {
  const relay = readRelay(env);
  return {
    publicUrl: readUrl(env, "PUBLIC_URL"),
    controlUrl: readUrl(env, "CONTROL_URL"),
    magicDnsSuffix: readSuffix(variable(env, "MAGIC_DNS_SUFFIX")),
    tailnetName: variable(env, "TAILNET_NAME") || "flarescale",
    derpMap: readDerpMap(env, relay.regions),
    bootstrapSecret: variable(env, "BOOTSTRAP_SECRET"),
    relay,
    privateWorld: readPrivateWorld(env),
    bootstrapDns: readBootstrapDns(variable(env, "BOOTSTRAP_DNS")),
    apiRequestsPerSecond: readApiRate(variable(env, "API_REQUESTS_PER_SECOND")),
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

/** The settings of the relays. @throws Error that says which variable is wrong */
export function readRelay(env: Env): RelaySettings {
  const meshKey = variable(env, "DERP_MESH_KEY");
  if (meshKey !== "" && !/^[0-9a-f]{64}$/.test(meshKey)) throw new Error("DERP_MESH_KEY must be 64 hex digits");
  return {
    regions: readRegions(variable(env, "DERP_REGIONS")),
    isOpen: readChoice(env, "DERP_ADMISSION", ["tailnets", "open"]) === "open",
    meshKey: fromHex(meshKey || "-"),
    clientRate: readRate(env, "DERP_CLIENT_BYTES_PER_SECOND"),
    regionRate: readRate(env, "DERP_REGION_BYTES_PER_SECOND") ?? DERP_REGION_RATE,
  };
}

/** Plain workerd has a binding to private networks (scripts/worker/workerd-config.ts); Cloudflare has none. */
function readPrivateWorld(env: Env): PrivateWorld {
  const receivers = parsePrivateReceivers(variable(env, "PRIVATE_RECEIVERS"));
  if (typeof receivers === "string") throw new Error(`PRIVATE_RECEIVERS: ${receivers}`);
  if (receivers.size === 0) return { receivers, network: undefined };
  const { PRIVATE_NETWORK: network } = env as unknown as { readonly PRIVATE_NETWORK?: Fetcher };
  if (network === undefined) throw new Error("PRIVATE_RECEIVERS: only plain workerd reaches private networks");
  return { receivers, network };
}

function readRegions(text: string): readonly OwnRegion[] {
  if (text === "") return [BUILT_IN_REGION];
  const regions = parseOwnRegions(readJson("DERP_REGIONS", text));
  if (typeof regions === "string") throw new Error(`DERP_REGIONS: ${regions}`);
  return regions;
}

/** One of several words; the first when the variable is not set. */
function readChoice<Word extends string>(env: Env, name: string, words: readonly [Word, ...Word[]]): Word {
  const value = variable(env, name) || words[0];
  const word = words.find((each) => each === value);
  if (word === undefined) throw new Error(`${name} must be one of ${words.join(", ")}`);
  return word;
}

function readRate(env: Env, name: string): number | undefined {
  const text = variable(env, name);
  if (text === "") return undefined;
  const rate = Number(text);
  if (!Number.isSafeInteger(rate) || rate < DERP_MIN_RATE) {
    throw new Error(`${name} must be a number of bytes, ${DERP_MIN_RATE} or more`);
  }
  return rate;
}

/** What clients are told: our own regions, those of DERP_MAP, and the public ones if wanted. */
function readDerpMap(env: Env, own: readonly OwnRegion[]): DerpMap {
  const text = variable(env, "DERP_MAP");
  const given = text === "" ? undefined : parseDerpMap(readJson("DERP_MAP", text));
  if (typeof given === "string") throw new Error(`DERP_MAP: ${given}`);
  const publicRelays = readChoice(env, "DERP_PUBLIC_RELAYS", ["auto", "include", "omit"]);
  const map = joinDerpMaps(own, given, publicRelays);
  const checked = parseDerpMap(map);
  if (typeof checked === "string") throw new Error(`DERP_REGIONS and DERP_MAP together: ${checked}`);
  return checked;
}

function readBootstrapDns(text: string): Settings["bootstrapDns"] {
  if (text === "") return {};
  const value = readJson("BOOTSTRAP_DNS", text);
  const isAddresses = (each: unknown) =>
    Array.isArray(each) && each.every((address) => typeof address === "string" && parseAddress(address) !== undefined);
  if (!isJsonObject(value) || !Object.values(value).every(isAddresses)) {
    throw new Error('BOOTSTRAP_DNS must be like {"control.example.com":["192.0.2.1"]}');
  }
  return value as Settings["bootstrapDns"];
}

function readJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name} is not JSON`);
  }
}

function readApiRate(value: string): number {
  if (value === "") return 100;
  if (!/^\d{1,6}$/.test(value)) throw new Error("API_REQUESTS_PER_SECOND must be a whole number; 0 lifts the limit");
  return Number(value);
}
