// The section derpMap (policy.md 21): which regions a tailnet takes away from the deployment's DERP map, adds to it or
// replaces. Names of fields match in any case, as everywhere in the file; what comes out has the wire's spelling
// (tailcfg.DERPMap), so that it goes to clients without another change.
import {
  type DerpNode,
  type DerpOverlay,
  type DerpRegion,
  isRegionId,
  NODE_FIELDS,
  REGION_FIELDS,
} from "../../protocol/control/derp-map.ts";
import {
  type Fields,
  type Node,
  type Problems,
  plainValue,
  quote,
  readBoolean,
  readEntries,
  readFields,
  readList,
  readText,
} from "./document.ts";

const TOP_FIELDS = ["HomeParams", "OmitDefaultRegions", "Regions"];

/** Reads `derpMap`. */
export function readDerpMap(node: Node, problems: Problems): DerpOverlay | null {
  const fields = readFields(node, "derpMap", TOP_FIELDS, problems);
  if (fields === undefined) return null;
  return {
    omitDefaultRegions: readBoolean(fields.get("OmitDefaultRegions"), "derpMap.omitDefaultRegions", problems),
    regions: readRegions(fields.get("Regions"), problems),
    regionScore: readScores(fields.get("HomeParams"), problems),
  };
}

function readRegions(node: Node | undefined, problems: Problems): Record<string, DerpRegion | null> {
  const regions: Record<string, DerpRegion | null> = {};
  const names = new Set<string>();
  for (const [key, value] of entriesOf(node, "derpMap.regions", problems)) {
    const where = `derpMap.regions[${quote(key.value)}]`;
    if (!isRegionId(key.value)) {
      problems.error(`${where}: region ids are positive numbers`, key.at);
      continue;
    }
    // A null region removes the default one.
    const region = value.type === "null" ? null : readRegion(value, { id: Number(key.value), where, names, problems });
    if (region !== undefined) regions[key.value] = region;
  }
  return regions;
}

/** The region that is read: its id, and where problems with it are noted. */
interface RegionReading {
  readonly id: number;
  readonly where: string;
  /** Names of all nodes so far. */
  readonly names: Set<string>;
  readonly problems: Problems;
}

function readRegion(node: Node, reading: RegionReading): DerpRegion | undefined {
  const { id, where, problems } = reading;
  const known = ["RegionID", "RegionCode", "RegionName", "Nodes", ...Object.keys(REGION_FIELDS)];
  const fields = readFields(node, where, known, problems);
  if (fields === undefined) return undefined;
  if (fields.get("RegionID")?.value !== id) problems.error(`${where}: regionID must be ${id}`, node.offset);
  const code = readText(fields.get("RegionCode"), `${where}.regionCode`, problems)?.value || String(id);
  const nodes = readList(fields.get("Nodes"), `${where}.nodes`, problems).flatMap(
    (item, i) => readNode(item, { ...reading, where: `${where}.nodes[${i}]` }) ?? [],
  );
  // A client without UDP dials the first node, whatever it is (control-protocol.md 10 #40).
  if (nodes[0]?.STUNOnly === true) problems.error(`${where}: the first node must not be stunOnly`, node.offset);
  if (fields.get("Nodes") === undefined || fields.get("Nodes")?.children?.length === 0) {
    problems.error(`${where}: at least one node is required`, node.offset);
  }
  return {
    RegionID: id,
    RegionCode: code,
    RegionName: readText(fields.get("RegionName"), `${where}.regionName`, problems)?.value || code,
    ...checkedValues(fields, REGION_FIELDS, where, problems),
    Nodes: nodes,
  };
}

function readNode(node: Node, { id: regionId, where, names, problems }: RegionReading): DerpNode | undefined {
  const fields = readFields(node, where, ["Name", "RegionID", "HostName", ...Object.keys(NODE_FIELDS)], problems);
  if (fields === undefined) return undefined;
  if (fields.get("RegionID")?.value !== regionId) {
    problems.error(`${where}: regionID must be ${regionId}`, node.offset);
  }
  const hostName = readText(fields.get("HostName"), `${where}.hostName`, problems)?.value;
  if (!hostName) problems.error(`${where}: hostName must be specified`, node.offset);
  const name = readText(fields.get("Name"), `${where}.name`, problems)?.value || `${regionId}-${names.size + 1}`;
  if (names.has(name)) problems.error(`${where}: there is another node ${quote(name)}`, node.offset);
  names.add(name);
  return {
    Name: name,
    RegionID: regionId,
    HostName: hostName ?? "",
    ...checkedValues(fields, NODE_FIELDS, where, problems),
  };
}

/** Score by region id (`homeParams.regionScore`): below 1 makes a region more attractive as home. */
function readScores(node: Node | undefined, problems: Problems): Record<string, number> {
  const fields = node && readFields(node, "derpMap.homeParams", ["RegionScore"], problems);
  const scores: Record<string, number> = {};
  for (const [key, value] of entriesOf(fields?.get("RegionScore"), "derpMap.homeParams.regionScore", problems)) {
    const isScore = typeof value.value === "number" && value.value > 0;
    if (isRegionId(key.value) && isScore) scores[key.value] = value.value;
    else problems.error(`derpMap.homeParams.regionScore[${quote(key.value)}]: expected a positive number`, key.at);
  }
  return scores;
}

function checkedValues(
  fields: Fields,
  checks: Readonly<Record<string, (value: unknown) => boolean>>,
  where: string,
  problems: Problems,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, isValid] of Object.entries(checks)) {
    const node = fields.get(name);
    if (node === undefined) continue;
    const value = plainValue(node);
    if (isValid(value)) values[name] = value;
    else problems.error(`${where}: ${name} is not valid`, node.offset);
  }
  return values;
}

function entriesOf(node: Node | undefined, where: string, problems: Problems) {
  return node === undefined ? [] : (readEntries(node, where, problems) ?? []);
}
