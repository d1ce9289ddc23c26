// Logs (api-v2.md 2.14). Flow logs have no source: clients send them to a host that no control server can choose.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { readSettings } from "../../../../env.ts";
import { AUDIT_ANSWER_MAX } from "../../../../protocol/limits.ts";
import { toAuditJson } from "../../../../tailnet/audit/audit-entry-json.ts";
import type { AuditEvent } from "../../../../tailnet/audit/audit-event.ts";
import { apiRoute, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const TAGS = ["Logging"];
const params = z.object({ tailnet: TailnetName });
const instant = z.string().openapi({ format: "date-time", example: "2026-01-02T03:04:05Z" });
const several = z
  .union([z.string(), z.array(z.string())])
  .optional()
  .openapi({ type: "array", items: { type: "string" } });

const Entry = z
  .object({
    eventTime: instant,
    type: z.literal("CONFIG"),
    deferredAt: instant,
    eventGroupID: z.string(),
    origin: z.string(),
    actor: z.looseObject({ id: z.string(), type: z.string(), loginName: z.string(), displayName: z.string() }),
    target: z.looseObject({ id: z.string(), name: z.string(), type: z.string() }),
    action: z.string(),
    old: z.unknown().optional(),
    new: z.unknown().optional(),
  })
  .openapi("AuditLogEntry");

const listConfigurationLog = apiRoute("listConfigurationAuditLogs", {
  method: "get",
  path: "/tailnet/{tailnet}/logging/configuration",
  tags: TAGS,
  summary: "List changes of configuration",
  description:
    "`actor`: an id, or `~` and a part of a name. `target`: a part of anything about the target. `event`: `TYPE.ACTION` or `TYPE.ACTION.PROPERTY`. Each may be given several times.",
  request: {
    params,
    query: z.object({ start: instant, end: instant, actor: several, target: several, event: several }),
  },
  responses: {
    200: reply(z.object({ version: z.string(), tailnet: z.string(), logs: z.array(Entry) }), "Entries, oldest first"),
  },
});

const listNetworkLog = apiRoute("listNetworkFlowLogs", {
  method: "get",
  path: "/tailnet/{tailnet}/logging/network",
  tags: TAGS,
  summary: "Refused: there are no flow logs",
  request: { params },
  responses: { 200: reply(z.object({ logs: z.array(z.looseObject({})) }), "Never") },
});

/** Logs. */
export const loggingRoutes = new OpenAPIHono<{ Bindings: Env }>();

loggingRoutes.openapi(listConfigurationLog, async (c) => {
  const query = c.req.valid("query");
  const [from, to] = [instantOf("start", query.start), instantOf("end", query.end)];
  if (from > to) throw new HTTPException(400, { message: "start: after end" });
  const logs: z.infer<typeof Entry>[] = [];
  let characters = 0;
  for (let after: number | null = 0; after !== null; ) {
    const page = await c.var.administration.logging.configuration(from, to, after);
    const wanted = page.events.filter((event) => isWanted(event, query)).map(toAuditJson);
    logs.push(...wanted);
    characters += JSON.stringify(wanted).length;
    if (characters > AUDIT_ANSWER_MAX) throw new HTTPException(400, { message: "too many entries; ask for less time" });
    after = page.next;
  }
  return c.json({ version: "1.1", tailnet: readSettings(c.env).tailnetName, logs }, 200);
});

loggingRoutes.openapi(listNetworkLog, () => {
  throw new HTTPException(404, { message: "network flow logs are not supported by this server" });
});

function instantOf(name: string, text: string): number {
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const at = isTime ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new HTTPException(400, { message: `${name}: not a time such as 2026-01-02T03:04:05Z` });
  return at;
}

interface Filters {
  readonly actor?: string | string[] | undefined;
  readonly target?: string | string[] | undefined;
  readonly event?: string | string[] | undefined;
}

function isWanted({ actor, target, action }: AuditEvent, filters: Filters): boolean {
  const actors = [filters.actor ?? []].flat();
  const targets = [filters.target ?? []].flat();
  const events = [filters.event ?? []].flat();
  const names = `${actor.loginName}\n${actor.displayName}`.toLowerCase();
  const parts = [target.id, target.name, target.type, target.property ?? ""].map((part) => part.toLowerCase());
  const event = [target.type, action, ...(target.property === undefined ? [] : [target.property])].join(".");
  return (
    (actors.length === 0 ||
      actors.some((one) => (one.startsWith("~") ? names.includes(one.slice(1).toLowerCase()) : one === actor.id))) &&
    (targets.length === 0 || targets.some((one) => parts.some((part) => part.includes(one.toLowerCase())))) &&
    (events.length === 0 || events.some((one) => event === one || event.startsWith(`${one}.`)))
  );
}
