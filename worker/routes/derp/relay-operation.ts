// What the operator of a deployment does with its relays, which serve all tailnets: look at their counts and announce a
// restart. Authorised by the bootstrap secret.
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { readRelay } from "../../env.ts";
import { requireBootstrapSecret } from "../../middleware/bootstrap-secret.ts";
import { readText } from "../../middleware/request-body.ts";
import type { RelayStatistics } from "../../objects/derp/relay.ts";
import { relayOf } from "../../platform/relays.ts";
import { isJsonObject } from "../../protocol/control/json.ts";
import type { OwnRegion } from "../../protocol/control/own-regions.ts";
import { DERP_RESTART_BODY_MAX, DERP_RESTART_MAX_MS } from "../../protocol/limits.ts";

const DEFAULT_TRY_FOR_MS = 10_000;

/** GET /derp/metrics and POST /derp/restart. */
export const relayOperationRoutes = new Hono<{ Bindings: Env }>();

relayOperationRoutes.get("/derp/metrics", async (c) => {
  await requireBootstrapSecret(c, "reading relay metrics");
  const { regions } = readRelay(c.env);
  const counts = await Promise.all(
    regions.map(async (region) => [region.id, await relayOf(c.env, region).statistics()] as const),
  );
  c.header("content-type", "text/plain; version=0.0.4");
  return c.body(metricsText(counts));
});

relayOperationRoutes.post("/derp/restart", async (c) => {
  await requireBootstrapSecret(c, "restarting relays");
  const order = readOrder(await readText(c.req.raw, DERP_RESTART_BODY_MAX), readRelay(c.env).regions);
  const told = order.regions.map(async (region) => ({
    region: region.id,
    clients: await relayOf(c.env, region).restart(order.reconnectInMs, order.tryForMs),
  }));
  return c.json({ regions: await Promise.all(told) });
});

interface RestartOrder {
  readonly regions: readonly OwnRegion[];
  readonly reconnectInMs: number;
  readonly tryForMs: number;
}

/** `{"region": 900, "reconnectInMs": 0, "tryForMs": 10000}`, all of it optional. @throws HTTPException 400 */
function readOrder(text: string, regions: readonly OwnRegion[]): RestartOrder {
  const body = text.trim() === "" ? {} : parseJson(text);
  if (!isJsonObject(body)) throw new HTTPException(400, { message: "the body must be a JSON object" });
  const { region, reconnectInMs = 0, tryForMs = DEFAULT_TRY_FOR_MS, ...others } = body;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new HTTPException(400, { message: "only region, reconnectInMs and tryForMs may be given" });
  }
  const wanted = region === undefined ? regions : regions.filter(({ id }) => id === region);
  if (wanted.length === 0) throw new HTTPException(400, { message: "region is none of this deployment's" });
  return {
    regions: wanted,
    reconnectInMs: asDuration("reconnectInMs", reconnectInMs),
    tryForMs: asDuration("tryForMs", tryForMs),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asDuration(name: string, value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= DERP_RESTART_MAX_MS) return value;
  throw new HTTPException(400, { message: `${name} must be a whole number from 0 to ${DERP_RESTART_MAX_MS}` });
}

const METRICS: readonly (readonly [keyof RelayStatistics, string, "gauge" | "counter", string])[] = [
  ["connections", "connections", "gauge", "Open connections"],
  ["homes", "homes", "gauge", "Connections whose client calls the region its home"],
  ["packetsRelayed", "packets_relayed_total", "counter", "Packets handed on, those that wait among them"],
  ["bytesRelayed", "bytes_relayed_total", "counter", "Bytes of them, with their frames' heads"],
  ["packetsUnknown", "packets_unknown_total", "counter", "Packets to peers that are not connected"],
  ["packetsDropped", "packets_dropped_total", "counter", "Packets that were too many for a slow receiver"],
  ["packetsLimited", "packets_limited_total", "counter", "Packets beyond their sender's rate or share"],
];

/** Prometheus text; counters begin anew when an object wakes. */
function metricsText(counts: readonly (readonly [number, RelayStatistics])[]): string {
  const lines = METRICS.flatMap(([field, name, type, help]) => [
    `# HELP flarescale_relay_${name} ${help}`,
    `# TYPE flarescale_relay_${name} ${type}`,
    ...counts.map(([region, statistics]) => `flarescale_relay_${name}{region="${region}"} ${statistics[field]}`),
  ]);
  return `${lines.join("\n")}\n`;
}
