// The DERP map of a stack: one region whose only relay is the stack's own gateway, which carries DERP to the Worker.
// Clients check the gateway's self-signed certificate by its hash. Its STUN
// server is the gateway's too; a region without one has no latency, and clients wait for UDP in vain.
import net from "node:net";
import type { GatewayAddress } from "./gateway-process.ts";

const REGION_ID = 900;

/** The map as JSON, in the shape of tailcfg.DERPMap. */
export function selfDerpMap(hostname: string, gateway: GatewayAddress): string {
  const node = {
    Name: `${REGION_ID}a`,
    RegionID: REGION_ID,
    HostName: hostname,
    ...(net.isIPv4(hostname) && { IPv4: hostname, IPv6: "none" }), // or clients try the address as IPv6 too
    ...(net.isIPv6(hostname) && { IPv6: hostname, IPv4: "none" }),
    DERPPort: gateway.httpsPort,
    STUNPort: gateway.stunPort ?? -1,
    CertName: `sha256-raw:${gateway.certSha256}`,
  };
  const region = { RegionID: REGION_ID, RegionCode: "self", RegionName: "self", Nodes: [node] };
  return JSON.stringify({ Regions: { [REGION_ID]: region } });
}
