import { describe, expect, it, test } from "vitest";
import { DEFAULT_DERP_MAP } from "./default-derp-map.ts";
import { joinDerpMaps } from "./deployment-derp-map.ts";
import type { DerpMap } from "./derp-map.ts";
import { BUILT_IN_REGION, type OwnRegion, parseOwnRegions, regionOfHost } from "./own-regions.ts";

const FRA = { id: 901, code: "fra", name: "Frankfurt", host: "derp-fra.example.com", locationHint: "weur", score: 0.5 };
const SIN = {
  id: 902,
  code: "sin",
  latitude: 1.3,
  longitude: 103.8,
  nodes: [
    { HostName: "derp-sin.example.com", DERPPort: 8443, CertName: "sha256-raw:00" },
    { HostName: "derp-sin2.example.com", STUNPort: 3478 },
    { Name: "stun", HostName: "stun.example.com", STUNOnly: true, STUNPort: 3478 },
  ],
};

function parsed(value: unknown): readonly OwnRegion[] {
  const regions = parseOwnRegions(value);
  if (typeof regions === "string") throw new Error(regions);
  return regions;
}

describe("parseOwnRegions", () => {
  it("makes regions of the DERP map, without STUN where nothing is said of it", () => {
    expect(parsed([FRA, SIN])).toEqual([
      {
        id: 901,
        hosts: ["derp-fra.example.com"],
        locationHint: "weur",
        score: 0.5,
        region: {
          RegionID: 901,
          RegionCode: "fra",
          RegionName: "Frankfurt",
          Nodes: [{ Name: "901a", RegionID: 901, HostName: "derp-fra.example.com", STUNPort: -1 }],
        },
      },
      {
        id: 902,
        hosts: ["derp-sin.example.com", "derp-sin2.example.com"],
        region: {
          RegionID: 902,
          RegionCode: "sin",
          RegionName: "sin",
          Latitude: 1.3,
          Longitude: 103.8,
          Nodes: [
            {
              Name: "902a",
              RegionID: 902,
              HostName: "derp-sin.example.com",
              STUNPort: -1,
              DERPPort: 8443,
              CertName: "sha256-raw:00",
            },
            { Name: "902b", RegionID: 902, HostName: "derp-sin2.example.com", STUNPort: 3478 },
            { Name: "stun", RegionID: 902, HostName: "stun.example.com", STUNOnly: true, STUNPort: 3478 },
          ],
        },
      },
    ]);
  });

  it.each([
    [{}, "expected a list of at least one region"],
    [[], "expected a list of at least one region"],
    [[null], "every region must be an object"],
    [[{ ...FRA, id: 899 }], "id must be a number from 900 up"],
    [[{ ...FRA, id: "901" }], "id must be a number from 900 up"],
    [
      [{ ...FRA, locationHint: "europe" }],
      "region 901: locationHint must be one of wnam, enam, sam, weur, eeur, apac, oc, afr, me",
    ],
    [[{ ...FRA, score: 0 }], "region 901: score must be above 0"],
    [[{ ...FRA, hint: "weur" }], 'region 901: unknown field "hint"'],
    [[{ ...FRA, host: undefined }], "region 901: host (a name) or nodes (a list) is required"],
    [[{ ...FRA, nodes: SIN.nodes }], "region 901: host (a name) or nodes (a list) is required"],
    [[{ ...FRA, code: undefined }], "region 901: RegionCode and RegionName are required"],
    [[{ ...FRA, avoid: 1 }], "region 901: Avoid is not valid"],
    [[{ ...SIN, nodes: [{ HostName: "a", DERPPort: "x" }] }], "region 902, node 902a: DERPPort is not valid"],
    [[FRA, FRA], "two regions have the same id"],
    [
      [FRA, { ...SIN, nodes: undefined, host: "DERP-fra.example.com" }],
      "two regions have the host derp-fra.example.com; hosts tell regions apart",
    ],
  ])("refuses %j", (value, problem) => {
    expect(parseOwnRegions(value)).toBe(problem);
  });
});

test("a deployment with one region serves it under every name", () => {
  expect(regionOfHost([BUILT_IN_REGION], ["whatever"])).toBe(BUILT_IN_REGION);
  expect(regionOfHost([BUILT_IN_REGION], [])).toBe(BUILT_IN_REGION);
  expect(regionOfHost(parsed([FRA]), ["whatever"])?.id).toBe(901);
});

describe("joinDerpMaps", () => {
  const own = parsed([FRA, SIN]);
  const given: DerpMap = {
    HomeParams: { RegionScore: { 902: 2 } },
    Regions: { 902: { RegionID: 902, RegionCode: "other", RegionName: "Other", Nodes: [] } },
  };
  const idsOf = (map: DerpMap) => Object.keys(map.Regions);

  it("has the public relays when nothing else is named", () => {
    expect(idsOf(joinDerpMaps([BUILT_IN_REGION], undefined, "auto"))).toEqual(idsOf(DEFAULT_DERP_MAP));
    expect(idsOf(joinDerpMaps(own, undefined, "auto"))).toEqual(["901", "902"]);
    expect(idsOf(joinDerpMaps(own, given, "auto"))).toEqual(["901", "902"]);
  });

  it("has or has not the public relays when told so", () => {
    expect(idsOf(joinDerpMaps(own, undefined, "include"))).toEqual([...idsOf(DEFAULT_DERP_MAP), "901", "902"]);
    expect(idsOf(joinDerpMaps([BUILT_IN_REGION], undefined, "omit"))).toEqual([]);
  });

  it("lets what is given by hand win, and joins the scores", () => {
    const map = joinDerpMaps(own, given, "auto");
    expect(map.Regions[902]?.RegionCode).toBe("other");
    expect(map.HomeParams).toEqual({ RegionScore: { 901: 0.5, 902: 2 } });
  });
});
