// DERPMap of a map response (tailcfg.DERPMap, control-protocol.md 5.8), and the check that a map given by
// configuration passes before any client sees it: one malformed field would end every client's stream.
import { type Address, isIPv4, parseAddress } from "../ip.ts";
import { isJsonObject, type JsonObject } from "./json.ts";

/** One relay or STUN server of a region. Ports: 0 means the default (443, 3478), −1 no STUN. */
export interface DerpNode {
  readonly Name: string;
  readonly RegionID: number;
  readonly HostName: string;
  readonly CertName?: string;
  readonly IPv4?: string;
  readonly IPv6?: string;
  readonly STUNPort?: number;
  readonly STUNOnly?: boolean;
  readonly DERPPort?: number;
  readonly InsecureForTests?: boolean;
  readonly CanPort80?: boolean;
}

/** One region: nodes that can reach each other's clients. */
export interface DerpRegion {
  readonly RegionID: number;
  readonly RegionCode: string;
  readonly RegionName: string;
  readonly Avoid?: boolean;
  readonly NoMeasureNoHome?: boolean;
  readonly Latitude?: number;
  readonly Longitude?: number;
  readonly Nodes: readonly DerpNode[];
}

/** All regions, keyed by decimal region id. */
export interface DerpMap {
  readonly HomeParams?: { readonly RegionScore?: { readonly [id: string]: number } };
  readonly omitDefaultRegions?: boolean;
  readonly Regions: { readonly [id: string]: DerpRegion };
}

/** What a tailnet's policy changes about the deployment's map (policy.md 21). */
export interface DerpOverlay {
  /** Whether only the regions named here are left; without any, this means nothing. */
  readonly omitDefaultRegions: boolean;
  /** Regions that are added or replaced, by id; null takes one away. */
  readonly regions: Readonly<Record<string, DerpRegion | null>>;
  /** Scores that are added or replaced, by region id. */
  readonly regionScore: Readonly<Record<string, number>>;
}

/**
 * The map of a tailnet: the deployment's, changed as its policy says. It always names its scores, since clients keep
 * those that they know when a map says nothing about them. A policy that would leave no region leaves all: clients wait
 * for one before they start.
 */
export function overlayDerpMap(base: DerpMap, overlay: DerpOverlay | null): DerpMap {
  const scores = { ...base.HomeParams?.RegionScore, ...overlay?.regionScore };
  const regions = new Map<string, DerpRegion>();
  const named = Object.entries(overlay?.regions ?? {});
  const omitsBase = overlay?.omitDefaultRegions === true && named.some(([, region]) => region !== null);
  if (!omitsBase) for (const [id, region] of Object.entries(base.Regions)) regions.set(id, region);
  for (const [id] of named) regions.delete(id);
  const names = new Set([...regions.values()].flatMap(({ Nodes }) => Nodes.map(({ Name }) => Name)));
  for (const [id, region] of named) if (region !== null) regions.set(id, withOwnNames(region, names));
  const result = regions.size > 0 ? Object.fromEntries(regions) : base.Regions;
  return { ...base, HomeParams: { ...base.HomeParams, RegionScore: scores }, Regions: result };
}

/** Names are unique in a map. A policy cannot know those of the deployment, so its own give way. */
function withOwnNames(region: DerpRegion, taken: ReadonlySet<string>): DerpRegion {
  if (!region.Nodes.some(({ Name }) => taken.has(Name))) return region;
  return { ...region, Nodes: region.Nodes.map((node) => ({ ...node, Name: `${region.RegionID}-${node.Name}` })) };
}

/**
 * Checks a DERP map that came from configuration. Fields that are not named here are passed on unseen.
 * @returns the map, or a sentence that says what is wrong with it
 */
export function parseDerpMap(value: unknown): DerpMap | string {
  const { value: problem } = problemsOf(value).next();
  return problem ?? (value as DerpMap);
}

function* problemsOf(map: unknown): Generator<string, undefined> {
  if (!isJsonObject(map) || !isJsonObject(map.Regions)) return yield "a DERP map needs an object Regions";
  yield* wrongFields("the map", map, MAP_FIELDS);
  const regions = Object.entries(map.Regions);
  if (regions.length === 0) yield "a DERP map needs at least one region: clients wait for one before they start";
  const names = new Set<unknown>();
  for (const [id, region] of regions) yield* problemsOfRegion(id, region, names);
}

function* problemsOfRegion(id: string, region: unknown, names: Set<unknown>): Generator<string, undefined> {
  const where = `region ${id}`;
  if (!isJsonObject(region)) return yield `${where} is not an object`;
  if (!isRegionId(id) || region.RegionID !== Number(id)) {
    yield `${where}: RegionID must equal its key, a number from 1 to 999999999`;
  }
  if (!isString(region.RegionCode) || !isString(region.RegionName)) {
    yield `${where}: RegionCode and RegionName are required`;
  }
  yield* wrongFields(where, region, REGION_FIELDS);
  const nodes: readonly unknown[] = Array.isArray(region.Nodes) ? region.Nodes : [];
  if (nodes.length === 0) yield `${where}: at least one node is required`;
  for (const node of nodes) {
    if (!isJsonObject(node) || !isText(node.Name) || !isText(node.HostName)) {
      return yield `${where}: every node needs Name and HostName`;
    }
    if (node.RegionID !== region.RegionID) yield `${where}: node ${node.Name} has another RegionID`;
    if (names.has(node.Name)) yield `${where}: there is another node ${node.Name}`;
    names.add(node.Name);
    yield* wrongFields(`${where}, node ${node.Name}`, node, NODE_FIELDS);
  }
  // A client without UDP dials the first node, whatever it is (control-protocol.md 10 #40).
  if (isJsonObject(nodes[0]) && nodes[0].STUNOnly === true) yield `${where}: the first node must not be STUNOnly`;
}

function* wrongFields(where: string, object: JsonObject, checks: Checks): Generator<string, undefined> {
  for (const [name, check] of Object.entries(checks)) {
    const value = object[name];
    if (value !== undefined && !check(value)) yield `${where}: ${name} is not valid`;
  }
}

type Checks = Readonly<Record<string, (value: unknown) => boolean>>;

const isBoolean = (value: unknown) => typeof value === "boolean";
const isString = (value: unknown) => typeof value === "string";
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isNumber = (value: unknown) => typeof value === "number";
const isPort = (value: unknown) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0xffff;

function isHomeParams(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const scores = value.RegionScore ?? {};
  return isJsonObject(scores) && Object.entries(scores).every(([id, score]) => isRegionId(id) && isNumber(score));
}

/** Tells whether a key of `Regions` is the decimal id of a region. */
export function isRegionId(key: string): boolean {
  return /^[1-9]\d{0,8}$/.test(key);
}

/** A literal address; `none`: the family is never used; empty: what DNS says. */
function isAddress(value: unknown, isOfFamily: (address: Address) => boolean): boolean {
  if (value === "" || value === "none") return true;
  const address = typeof value === "string" ? parseAddress(value) : undefined;
  return address !== undefined && isOfFamily(address);
}

const MAP_FIELDS: Checks = { omitDefaultRegions: isBoolean, HomeParams: isHomeParams };

/** Optional fields of a region, each with its check. */
export const REGION_FIELDS: Checks = {
  Avoid: isBoolean,
  NoMeasureNoHome: isBoolean,
  Latitude: isNumber,
  Longitude: isNumber,
};

/** Optional fields of a node, each with its check. */
export const NODE_FIELDS: Checks = {
  CertName: isString,
  IPv4: (value) => isAddress(value, isIPv4),
  IPv6: (value) => isAddress(value, (address) => !isIPv4(address)),
  STUNPort: (value) => value === -1 || isPort(value),
  STUNOnly: isBoolean,
  DERPPort: isPort,
  InsecureForTests: isBoolean,
  STUNTestIP: isString,
  CanPort80: isBoolean,
};

/**
 * The map for clients that do not know certificate pins and would take one for a name: they get such nodes without
 * verification. What a relay carries is encrypted end to end all the same; a false relay could only drop it.
 */
export function withoutPins(map: DerpMap): DerpMap {
  const regions = Object.entries(map.Regions).map(([id, region]) => [
    id,
    { ...region, Nodes: region.Nodes.map(withoutPin) },
  ]);
  return { ...map, Regions: Object.fromEntries(regions) };
}

function withoutPin(node: DerpNode): DerpNode {
  const { CertName, ...rest } = node;
  return CertName?.startsWith("sha256-raw:") ? { ...rest, InsecureForTests: true } : node;
}
