import { describe, expect, it } from "vitest";
import { DEFAULT_DERP_MAP } from "./default-derp-map.ts";
import { parseDerpMap } from "./derp-map.ts";

const NODE = { Name: "901a", RegionID: 901, HostName: "derp.example.com" };
const REGION = { RegionID: 901, RegionCode: "own", RegionName: "Own", Nodes: [NODE] };
const ofRegion = (changed: object) => ({ Regions: { 901: { ...REGION, ...changed } } });
const ofNode = (changed: object) => ofRegion({ Nodes: [{ ...NODE, ...changed }] });

describe("parseDerpMap", () => {
  it("passes a map on as it is, unknown fields included", () => {
    const map = {
      HomeParams: { RegionScore: { 901: 0.5 } },
      omitDefaultRegions: true,
      Regions: {
        901: {
          ...REGION,
          Avoid: true,
          NoMeasureNoHome: false,
          Latitude: 52.5,
          Longitude: -13,
          Nodes: [
            { ...NODE, CertName: "sha256-raw:00", IPv4: "192.0.2.1", IPv6: "none", STUNPort: -1, DERPPort: 8443 },
            { ...NODE, Name: "901b", IPv4: "", IPv6: "2001:db8::1", STUNPort: 3478, STUNOnly: true, CanPort80: true },
          ],
          Future: 1,
        },
      },
    };
    expect(parseDerpMap(map)).toBe(map);
  });

  it("passes the map of a deployment that names none", () => {
    expect(parseDerpMap(DEFAULT_DERP_MAP)).toBe(DEFAULT_DERP_MAP);
  });

  it.each([
    [null, "a DERP map needs an object Regions"],
    [[], "a DERP map needs an object Regions"],
    [{ Regions: [] }, "a DERP map needs an object Regions"],
    [{ Regions: {} }, "a DERP map needs at least one region: clients wait for one before they start"],
    [{ Regions: { 901: null } }, "region 901 is not an object"],
    [{ ...ofRegion({}), omitDefaultRegions: "yes" }, "the map: omitDefaultRegions is not valid"],
    [{ ...ofRegion({}), HomeParams: [] }, "the map: HomeParams is not valid"],
    [{ ...ofRegion({}), HomeParams: { RegionScore: { own: 1 } } }, "the map: HomeParams is not valid"],
    [{ ...ofRegion({}), HomeParams: { RegionScore: { 901: "1" } } }, "the map: HomeParams is not valid"],
    [{ Regions: { own: REGION } }, "region own: RegionID must equal its key, a number from 1 to 999999999"],
    [{ Regions: { 902: REGION } }, "region 902: RegionID must equal its key, a number from 1 to 999999999"],
    [ofRegion({ RegionID: "901" }), "region 901: RegionID must equal its key, a number from 1 to 999999999"],
    [ofRegion({ RegionCode: undefined }), "region 901: RegionCode and RegionName are required"],
    [ofRegion({ RegionName: 5 }), "region 901: RegionCode and RegionName are required"],
    [ofRegion({ Avoid: 1 }), "region 901: Avoid is not valid"],
    [ofRegion({ Latitude: "52" }), "region 901: Latitude is not valid"],
    [ofRegion({ Nodes: [] }), "region 901: at least one node is required"],
    [ofRegion({ Nodes: {} }), "region 901: at least one node is required"],
    [ofRegion({ Nodes: [null] }), "region 901: every node needs Name and HostName"],
    [ofNode({ Name: "" }), "region 901: every node needs Name and HostName"],
    [ofNode({ HostName: undefined }), "region 901: every node needs Name and HostName"],
    [ofNode({ RegionID: 902 }), "region 901: node 901a has another RegionID"],
    [ofRegion({ Nodes: [NODE, NODE] }), "region 901: there is another node 901a"],
    [ofNode({ STUNOnly: true }), "region 901: the first node must not be STUNOnly"],
    [ofNode({ CertName: 1 }), "region 901, node 901a: CertName is not valid"],
    [ofNode({ IPv4: "2001:db8::1" }), "region 901, node 901a: IPv4 is not valid"],
    [ofNode({ IPv4: "derp.example.com" }), "region 901, node 901a: IPv4 is not valid"],
    [ofNode({ IPv6: "192.0.2.1" }), "region 901, node 901a: IPv6 is not valid"],
    [ofNode({ STUNPort: "3478" }), "region 901, node 901a: STUNPort is not valid"],
    [ofNode({ STUNPort: -2 }), "region 901, node 901a: STUNPort is not valid"],
    [ofNode({ DERPPort: 65536 }), "region 901, node 901a: DERPPort is not valid"],
    [ofNode({ DERPPort: -1 }), "region 901, node 901a: DERPPort is not valid"],
    [ofNode({ STUNOnly: 0 }), "region 901, node 901a: STUNOnly is not valid"],
    [ofNode({ InsecureForTests: "no" }), "region 901, node 901a: InsecureForTests is not valid"],
    [ofNode({ CanPort80: null }), "region 901, node 901a: CanPort80 is not valid"],
  ])("refuses %j", (map, problem) => {
    expect(parseDerpMap(map)).toBe(problem);
  });

  it("refuses a node name that another region has", () => {
    const other = { ...REGION, RegionID: 902, Nodes: [{ ...NODE, RegionID: 902 }] };
    expect(parseDerpMap({ Regions: { 901: REGION, 902: other } })).toBe("region 902: there is another node 901a");
  });
});
