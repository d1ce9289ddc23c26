// The public relays of the Tailscale project: the DERP map of a deployment that names none. Addresses are facts as the
// client carries them for its own bootstrap (tailscale net/dnsfallback, client 1.102.3). A deployment with relays of
// its own sets DERP_MAP and does not depend on this list.
import type { DerpMap, DerpRegion } from "./derp-map.ts";

type Row = readonly [
  regionId: number,
  code: string,
  name: string,
  nodes: readonly (readonly [string, string, string])[],
];

/** Region, then host label with IPv4 and IPv6 of each relay. */
const ROWS: readonly Row[] = [
  [
    1,
    "nyc",
    "New York City",
    [
      ["1c", "104.248.8.210", "2604:a880:800:10::7a0:e001"],
      ["1d", "165.22.33.71", "2604:a880:800:10::7fe:f001"],
      ["1e", "64.225.56.166", "2604:a880:800:10::873:4001"],
    ],
  ],
  [
    2,
    "sfo",
    "San Francisco",
    [
      ["2d", "192.73.252.65", "2607:f740:0:3f::287"],
      ["2e", "192.73.252.134", "2607:f740:0:3f::44c"],
      ["2f", "208.111.34.178", "2607:f740:0:3f::f4"],
    ],
  ],
  [3, "sin", "Singapore", [["3a", "68.183.179.66", "2400:6180:0:d1::67d:8001"]]],
  [
    4,
    "fra",
    "Frankfurt",
    [
      ["4c", "134.122.77.138", "2a03:b0c0:3:d0::1501:6001"],
      ["4d", "134.122.94.167", "2a03:b0c0:3:d0::1501:b001"],
      ["4e", "134.122.74.153", "2a03:b0c0:3:d0::29:9001"],
    ],
  ],
  [5, "syd", "Sydney", [["5a", "103.43.75.49", "2001:19f0:5801:10b7:5400:2ff:feaa:284c"]]],
  [6, "blr", "Bangalore", [["6a", "68.183.90.120", "2400:6180:100:d0::982:d001"]]],
  [7, "tok", "Tokyo", [["7a", "167.179.89.145", "2401:c080:1000:467f:5400:2ff:feee:22aa"]]],
  [
    8,
    "lhr",
    "London",
    [
      ["8b", "46.101.74.201", "2a03:b0c0:1:d0::ec1:e001"],
      ["8c", "206.189.16.32", "2a03:b0c0:1:d0::e1f:4001"],
      ["8d", "178.62.44.132", "2a03:b0c0:1:d0::e08:e001"],
    ],
  ],
  [
    9,
    "dfw",
    "Dallas",
    [
      ["9a", "207.148.3.137", "2001:19f0:6401:1d9c:5400:2ff:feef:bb82"],
      ["9b", "144.202.67.195", "2001:19f0:6401:eb5:5400:3ff:fe8d:6d9b"],
      ["9c", "155.138.243.219", "2001:19f0:6401:fe7:5400:3ff:fe8d:6d9c"],
    ],
  ],
  [10, "sea", "Seattle", [["10a", "137.220.36.168", "2001:19f0:8001:2d9:5400:2ff:feef:bbb1"]]],
  [11, "sao", "São Paulo", [["11a", "18.230.97.74", "2600:1f1e:ee4:5611:ec5c:1736:d43b:a454"]]],
  [
    12,
    "ord",
    "Chicago",
    [
      ["12a", "216.128.144.130", "2001:19f0:5c01:289:5400:3ff:fe8d:cb5e"],
      ["12b", "45.63.71.144", "2001:19f0:5c01:48a:5400:3ff:fe8d:cb5f"],
      ["12c", "149.28.119.105", "2001:19f0:5c01:2cb:5400:3ff:fe8d:cb60"],
    ],
  ],
];

function region([regionId, code, name, nodes]: Row): DerpRegion {
  return {
    RegionID: regionId,
    RegionCode: code,
    RegionName: name,
    Nodes: nodes.map(([label, ipv4, ipv6]) => ({
      Name: label,
      RegionID: regionId,
      HostName: `derp${label}.tailscale.com`,
      IPv4: ipv4,
      IPv6: ipv6,
      CanPort80: true,
    })),
  };
}

/** The DERP map that is used when the deployment configures none. */
export const DEFAULT_DERP_MAP: DerpMap = {
  Regions: Object.fromEntries(ROWS.map((row) => [String(row[0]), region(row)])),
};
