// The DERP regions that this deployment relays for itself, as the setting DERP_REGIONS names them. Each is one object,
// placed by its location hint. A region is told from another by the host name that its clients connect to, because
// native DERP has one fixed path (docs/decisions/0007-derp-regions.md).
import { type DerpNode, type DerpRegion, isRegionId, parseDerpMap } from "./derp-map.ts";
import { isJsonObject, type JsonObject } from "./json.ts";

/** One region of our own. */
export interface OwnRegion {
  readonly id: number;
  /** Host names of its relays, in lower case; none: the region is served under any name. */
  readonly hosts: readonly string[];
  /** Where its object is placed when it is first used; undefined: near its first client. */
  readonly locationHint: LocationHint | undefined;
  /** What clients are told of it; undefined: nothing, because the setting DERP_MAP does. */
  readonly region: DerpRegion | undefined;
  /** Factor on measured latency; undefined: 1. */
  readonly score: number | undefined;
}

/** Places for objects (Durable Objects, data location). */
const LOCATION_HINTS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const;
/** One of these places. */
export type LocationHint = (typeof LOCATION_HINTS)[number];

/** The region of a deployment that names none. */
export const BUILT_IN_REGION: OwnRegion = {
  id: 900,
  hosts: [],
  locationHint: undefined,
  region: undefined,
  score: undefined,
};

const FIELDS = new Set([
  "id",
  "code",
  "name",
  "host",
  "nodes",
  "locationHint",
  "latitude",
  "longitude",
  "avoid",
  "noMeasureNoHome",
  "score",
]);

/**
 * Reads the setting: a list of
 * `{ id, code, name, host | nodes, locationHint?, latitude?, longitude?, avoid?, noMeasureNoHome?, score? }`, where
 * `nodes` has the fields of tailcfg.DERPNode without RegionID.
 * @returns the regions, or a sentence that says what is wrong with them
 */
export function parseOwnRegions(value: unknown): readonly OwnRegion[] | string {
  if (!Array.isArray(value) || value.length === 0) return "expected a list of at least one region";
  const regions: OwnRegion[] = [];
  for (const item of value) {
    const region = parseRegion(item);
    if (typeof region === "string") return region;
    regions.push(region);
  }
  return problemOfAll(regions) ?? regions;
}

function parseRegion(item: unknown): OwnRegion | string {
  if (!isJsonObject(item)) return "every region must be an object";
  const { id, locationHint, score } = item;
  if (!isRegionId(String(id)) || typeof id !== "number" || id < 900) return "id must be a number from 900 up";
  const where = `region ${id}`;
  const unknown = Object.keys(item).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) return `${where}: unknown field ${JSON.stringify(unknown)}`;
  if (locationHint !== undefined && !isLocationHint(locationHint)) {
    return `${where}: locationHint must be one of ${LOCATION_HINTS.join(", ")}`;
  }
  if (score !== undefined && !(typeof score === "number" && score > 0)) return `${where}: score must be above 0`;
  const nodes = nodesOf(item, id);
  if (nodes === undefined) return `${where}: host (a name) or nodes (a list) is required`;
  const region = regionOf(item, id, nodes);
  const map = parseDerpMap({ Regions: { [id]: region } });
  if (typeof map === "string") return map;
  const hosts = new Set(region.Nodes.filter(({ STUNOnly }) => STUNOnly !== true).map(hostOf));
  return { id, hosts: [...hosts], locationHint, region, score };
}

function regionOf(item: JsonObject, id: number, nodes: readonly DerpNode[]): DerpRegion {
  const { code, name, latitude, longitude, avoid, noMeasureNoHome } = item;
  const optional = { Latitude: latitude, Longitude: longitude, Avoid: avoid, NoMeasureNoHome: noMeasureNoHome };
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined));
  return { RegionID: id, RegionCode: code as string, RegionName: (name ?? code) as string, ...given, Nodes: nodes };
}

/** The relays as the map has them. A Worker has no UDP, so a region that says nothing of STUN offers none. */
function nodesOf({ host, nodes }: JsonObject, regionId: number): DerpNode[] | undefined {
  if (Array.isArray(nodes) && nodes.length > 0 && host === undefined) {
    return nodes.map((node, i) => ({ Name: `${regionId}${letter(i)}`, STUNPort: -1, ...node, RegionID: regionId }));
  }
  if (typeof host !== "string" || host === "" || nodes !== undefined) return undefined;
  return [{ Name: `${regionId}a`, RegionID: regionId, HostName: host, STUNPort: -1 }];
}

function problemOfAll(regions: readonly OwnRegion[]): string | undefined {
  const map = parseDerpMap({ Regions: Object.fromEntries(regions.map(({ id, region }) => [id, region])) });
  if (typeof map === "string") return map;
  if (new Set(regions.map(({ id }) => id)).size < regions.length) return "two regions have the same id";
  const hosts = regions.flatMap((region) => region.hosts);
  const twice = hosts.find((host, i) => hosts.indexOf(host) < i);
  return twice === undefined ? undefined : `two regions have the host ${twice}; hosts tell regions apart`;
}

function letter(index: number): string {
  return String.fromCharCode("a".charCodeAt(0) + (index % 26));
}

function hostOf(node: DerpNode): string {
  return node.HostName.toLowerCase();
}

function isLocationHint(value: unknown): value is LocationHint {
  return LOCATION_HINTS.some((hint) => hint === value);
}

/**
 * The region that a client means by the names under which it came, the most trusted last: the first that belongs to a
 * region counts. A deployment with one region serves it under every name; undefined: none of several.
 */
export function regionOfHost(
  regions: readonly OwnRegion[],
  hosts: readonly (string | undefined)[],
): OwnRegion | undefined {
  for (const host of hosts) {
    const name = host?.replace(/:\d+$/, "").toLowerCase();
    const region = name === undefined ? undefined : regions.find((each) => each.hosts.includes(name));
    if (region !== undefined) return region;
  }
  return regions.length === 1 ? regions[0] : undefined;
}
