// DERPMap of a map response (tailcfg.DERPMap, control-protocol.md 5.8), and the check that a map given by
// configuration passes before any client sees it: one malformed field would end every client's stream.
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

/**
 * Checks a DERP map that came from configuration.
 * @returns the map, or a sentence that says what is wrong with it
 */
export function parseDerpMap(value: unknown): DerpMap | string {
  if (!isJsonObject(value) || !isJsonObject(value.Regions)) return "a DERP map needs an object Regions";
  const regions = Object.entries(value.Regions);
  if (regions.length === 0) return "a DERP map needs at least one region: clients wait for one before they start";
  for (const [id, region] of regions) {
    const problem = isJsonObject(region) ? checkRegion(id, region) : `region ${id} is not an object`;
    if (problem !== undefined) return problem;
  }
  return value as unknown as DerpMap;
}

function checkRegion(id: string, region: JsonObject): string | undefined {
  if (!/^[1-9]\d{0,15}$/.test(id) || region.RegionID !== Number(id)) return `region ${id}: RegionID must equal its key`;
  if (typeof region.RegionCode !== "string" || typeof region.RegionName !== "string") {
    return `region ${id}: RegionCode and RegionName are required`;
  }
  if (!Array.isArray(region.Nodes) || region.Nodes.length === 0) return `region ${id}: at least one node is required`;
  for (const node of region.Nodes) {
    if (!isJsonObject(node) || typeof node.Name !== "string" || typeof node.HostName !== "string") {
      return `region ${id}: every node needs Name and HostName`;
    }
    if (node.RegionID !== region.RegionID) return `region ${id}: node ${node.Name} has another RegionID`;
  }
  return undefined;
}
