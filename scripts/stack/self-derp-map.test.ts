import { expect, test } from "vitest";
import { selfDerpMap } from "./self-derp-map.ts";

const gateway = { httpPort: 80, httpsPort: 8443, stunPort: 3478, certSha256: "ab".repeat(32) };
const node = (hostname: string) => JSON.parse(selfDerpMap(hostname, gateway)).Regions["900"].Nodes[0];

test("points at the gateway and pins its certificate", () => {
  expect(node("control.example.com")).toEqual({
    Name: "900a",
    RegionID: 900,
    HostName: "control.example.com",
    DERPPort: 8443,
    STUNPort: 3478,
    CertName: `sha256-raw:${"ab".repeat(32)}`,
  });
});

test("gives a literal address, so that no client asks DNS for it", () => {
  expect(node("127.0.0.1")).toMatchObject({ HostName: "127.0.0.1", IPv4: "127.0.0.1", IPv6: "none" });
  expect(node("fd7a::1")).toMatchObject({ HostName: "fd7a::1", IPv6: "fd7a::1", IPv4: "none" });
});

test("says so when there is no STUN server", () => {
  const { stunPort: _, ...without } = gateway;
  expect(JSON.parse(selfDerpMap("127.0.0.1", without)).Regions["900"].Nodes[0].STUNPort).toBe(-1);
});
