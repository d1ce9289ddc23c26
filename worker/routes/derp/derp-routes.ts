// What a DERP host serves over HTTP: the relay itself and the small helpers of control-protocol.md 7.10. Native clients
// ask for another upgrade, which never reaches a Worker; a gateway in front of them makes a WebSocket of it.
import { type Context, Hono } from "hono";
import { readRelay, readSettings } from "../../env.ts";
import { readText } from "../../middleware/request-body.ts";
import { REGION_ID_HEADER } from "../../platform/forwarded-headers.ts";
import { relayOf } from "../../platform/relays.ts";
import { askAboutRelay } from "../../platform/tailnets.ts";
import { isJsonObject } from "../../protocol/control/json.ts";
import { type OwnRegion, regionOfHost } from "../../protocol/control/own-regions.ts";
import { type NodeKey, parseNodeKey } from "../../protocol/keys.ts";
import { DERP_VERIFY_BODY_MAX } from "../../protocol/limits.ts";

/** GET /derp, /derp/probe, /derp/latency-check, /generate_204 and /bootstrap-dns; POST /verify. */
export const derpRoutes = new Hono<{ Bindings: Env }>();

derpRoutes.get("/derp", async (c) => {
  if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
    c.header("upgrade", "websocket");
    return c.text("DERP needs a WebSocket upgrade; native clients connect through a gateway\n", 426);
  }
  const region = regionFor(c);
  if (region === undefined) return c.text("no DERP region of this deployment has this host name\n", 421);
  const request = new Request(c.req.raw);
  request.headers.set(REGION_ID_HEADER, String(region.id));
  return await relayOf(c.env, region).fetch(request);
});

// Clients measure latency with these, WASM ones from another origin. The region's id tells a person which one answers.
for (const path of ["/derp/probe", "/derp/latency-check"]) {
  derpRoutes.all(path, (c) => {
    if (c.req.method !== "GET" && c.req.method !== "HEAD")
      return c.text("method not allowed\n", 405, { allow: "GET, HEAD" });
    const region = regionFor(c);
    if (region !== undefined) c.header(REGION_ID_HEADER, String(region.id));
    return c.body(null, 200, { "access-control-allow-origin": "*" });
  });
}

// The probe for captive portals. The echoed challenge shows that the answer is ours and not a portal's.
derpRoutes.get("/generate_204", (c) => {
  const challenge = c.req.header("x-tailscale-challenge");
  if (challenge !== undefined && /^[A-Za-z0-9._:-]{1,64}$/.test(challenge)) {
    c.header("x-tailscale-response", `response ${challenge}`);
  }
  c.header("cache-control", "no-cache, no-store, must-revalidate, no-transform, max-age=0");
  return c.body(null, 204);
});

// Clients whose DNS is broken ask hosts of the DERP map, by address, for those that they need. They are told the addresses
// that the operator set and those that our DERP map has; `q`, the wanted host, narrows it down if we know it.
derpRoutes.get("/bootstrap-dns", (c) => {
  const { bootstrapDns, derpMap } = readSettings(c.env);
  const known = new Map(Object.entries(bootstrapDns));
  for (const node of Object.values(derpMap.Regions).flatMap((region) => region.Nodes)) {
    const addresses = [node.IPv4, node.IPv6].filter((address) => address && address !== "none") as string[];
    if (addresses.length > 0 && !known.has(node.HostName)) known.set(node.HostName, addresses);
  }
  const wanted = c.req.query("q");
  const addresses = wanted === undefined ? undefined : known.get(wanted);
  c.header("connection", "close");
  return c.json(wanted !== undefined && addresses !== undefined ? { [wanted]: addresses } : Object.fromEntries(known));
});

// A stock derper asks here about each client (derper -verify-client-url, control-protocol.md 7.9). Node keys are public
// and cannot be guessed, so that the answer tells nobody anything new.
derpRoutes.post("/verify", async (c) => {
  const nodeKey = nodeKeyIn(await readText(c.req.raw, DERP_VERIFY_BODY_MAX));
  if (nodeKey === undefined) {
    return c.json({ message: "NodePublic must be a node key" }, 400);
  }
  const { allowed, isComplete } = await askAboutRelay(c.env, [nodeKey]);
  if (!allowed.has(nodeKey) && !isComplete) return c.json({ message: "cannot tell now" }, 503);
  return c.json({ Allow: allowed.has(nodeKey) });
});

function nodeKeyIn(text: string): NodeKey | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return isJsonObject(body) && typeof body.NodePublic === "string" ? parseNodeKey(body.NodePublic) : undefined;
  } catch {
    return undefined;
  }
}

// A gateway connects under the Worker's own name and hands on its client's. It need not be trusted: whoever can reach
// one region can reach them all.
function regionFor(c: Context<{ Bindings: Env }>): OwnRegion | undefined {
  const hosts = [c.req.header("x-forwarded-host"), c.req.header("host") ?? new URL(c.req.url).host];
  return regionOfHost(readRelay(c.env).regions, hosts);
}
