import { describe, expect, it, test } from "vitest";
import { overlayDerpMap } from "../../protocol/control/derp-map.ts";
import { parsePolicy } from "../parse.ts";
import type { NetworkOptions } from "../policy.ts";

const NODE = { name: "1", regionID: 901, hostName: "derp.example.com" };
const REGION = { regionID: 901, regionCode: "own", regionName: "Own", nodes: [NODE] };

function read(derpMap: unknown): NetworkOptions["derpMap"] | string[] {
  const parsed = parsePolicy(JSON.stringify({ derpMap }));
  return parsed.ok ? parsed.policy.network.derpMap : parsed.problems.map(({ message }) => message);
}

describe("derpMap", () => {
  it("is what the hosted service's examples say, in any spelling of the names", () => {
    const lower = { omitDefaultRegions: true, regions: { 901: REGION, 1: null } };
    const upper = {
      OmitDefaultRegions: true,
      Regions: {
        901: {
          RegionID: 901,
          RegionCode: "own",
          RegionName: "Own",
          Nodes: [{ Name: "1", RegionID: 901, HostName: "derp.example.com" }],
        },
        1: null,
      },
    };
    expect(read(lower)).toEqual({
      omitDefaultRegions: true,
      regions: {
        901: {
          RegionID: 901,
          RegionCode: "own",
          RegionName: "Own",
          Nodes: [{ Name: "1", RegionID: 901, HostName: "derp.example.com" }],
        },
        1: null,
      },
      regionScore: {},
    });
    expect(read(upper)).toEqual(read(lower));
  });

  it("may leave out names, and may have every field of a region and a node", () => {
    const nodes = [
      { regionID: 901, hostName: "a.example.com", ipv4: "192.0.2.1", ipv6: "none", derpPort: 8443, stunPort: -1 },
      { regionID: 901, hostName: "b.example.com", stunOnly: true, certName: "c.example.com", canPort80: true },
    ];
    const region = { regionID: 901, avoid: true, latitude: 52.5, nodes };
    expect(read({ regions: { 901: region }, homeParams: { regionScore: { 901: 0.5 } } })).toEqual({
      omitDefaultRegions: false,
      regions: {
        901: {
          RegionID: 901,
          RegionCode: "901",
          RegionName: "901",
          Avoid: true,
          Latitude: 52.5,
          Nodes: [
            {
              Name: "901-1",
              RegionID: 901,
              HostName: "a.example.com",
              IPv4: "192.0.2.1",
              IPv6: "none",
              DERPPort: 8443,
              STUNPort: -1,
            },
            {
              Name: "901-2",
              RegionID: 901,
              HostName: "b.example.com",
              STUNOnly: true,
              CertName: "c.example.com",
              CanPort80: true,
            },
          ],
        },
      },
      regionScore: { 901: 0.5 },
    });
  });

  it("is nothing when the policy has none", () => {
    const parsed = parsePolicy("{}");
    expect(parsed.ok && parsed.policy.network.derpMap).toBeNull();
  });

  it.each([
    [{ regions: { own: REGION } }, 'derpMap.regions["own"]: region ids are positive numbers'],
    [{ regions: { 902: REGION } }, 'derpMap.regions["902"]: regionID must be 902'],
    [{ regions: { 901: { ...REGION, nodes: [] } } }, 'derpMap.regions["901"]: at least one node is required'],
    [{ regions: { 901: { ...REGION, nodes: [{ ...NODE, hostName: "" }] } } }, "hostName must be specified"],
    [{ regions: { 901: { ...REGION, nodes: [{ ...NODE, stunOnly: true }] } } }, "the first node must not be stunOnly"],
    [{ regions: { 901: { ...REGION, nodes: [{ ...NODE, derpPort: 70_000 }] } } }, "DERPPort is not valid"],
    [{ regions: { 901: { ...REGION, nodes: [{ ...NODE, ipv4: "::1" }] } } }, "IPv4 is not valid"],
    [{ regions: { 901: { ...REGION, nodes: [NODE, NODE] } } }, 'there is another node "1"'],
    [{ regions: { 901: { ...REGION, nodes: [{ ...NODE, fast: true }] } } }, 'unknown field "fast"'],
    [{ homeParams: { regionScore: { 901: 0 } } }, "expected a positive number"],
    [{ omitDefaultRegions: "yes" }, "expected true or false"],
    [[], "derpMap: expected an object"],
  ])("with %j is refused", (derpMap, message) => {
    expect(read(derpMap)).toContainEqual(expect.stringContaining(message));
  });
});

describe("a policy's regions over the deployment's", () => {
  const base = {
    HomeParams: { RegionScore: { 900: 2 } },
    Regions: {
      900: region(900, "900a"),
      1: region(1, "1a"),
    },
  };
  function region(id: number, name: string) {
    const nodes = [{ Name: name, RegionID: id, HostName: `${name}.example.com` }];
    return { RegionID: id, RegionCode: `r${id}`, RegionName: `Region ${id}`, Nodes: nodes };
  }
  const nothing = { omitDefaultRegions: false, regions: {}, regionScore: {} };
  const idsOf = (map: { Regions: object }) => Object.keys(map.Regions);

  test("are added, replace those of the same id, and take away those that are null", () => {
    const overlay = { ...nothing, regions: { 1: null, 900: region(900, "other"), 905: region(905, "905a") } };
    const map = overlayDerpMap(base, overlay);
    expect(idsOf(map)).toEqual(["900", "905"]);
    expect(map.Regions[900]?.Nodes[0]?.Name).toBe("other");
  });

  test("are alone when the defaults are omitted, unless there are none", () => {
    expect(
      idsOf(overlayDerpMap(base, { ...nothing, omitDefaultRegions: true, regions: { 905: region(905, "x") } })),
    ).toEqual(["905"]);
    expect(idsOf(overlayDerpMap(base, { ...nothing, omitDefaultRegions: true }))).toEqual(["1", "900"]);
    expect(idsOf(overlayDerpMap(base, { ...nothing, regions: { 1: null, 900: null } }))).toEqual(["1", "900"]);
  });

  test("give way with their nodes' names, which are unique in a map", () => {
    const map = overlayDerpMap(base, { ...nothing, regions: { 905: region(905, "1a") } });
    expect(map.Regions[905]?.Nodes[0]?.Name).toBe("905-1a");
  });

  test("always name all scores, because clients keep those that they are not told of", () => {
    expect(overlayDerpMap(base, null).HomeParams).toEqual({ RegionScore: { 900: 2 } });
    expect(overlayDerpMap(base, { ...nothing, regionScore: { 1: 0.5 } }).HomeParams).toEqual({
      RegionScore: { 900: 2, 1: 0.5 },
    });
    expect(overlayDerpMap({ Regions: base.Regions }, null).HomeParams).toEqual({ RegionScore: {} });
  });
});
