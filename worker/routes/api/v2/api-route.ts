// How a route of the public API is made: authentication, the tailnet segment, the right to the operation and the body
// are dealt with before validation, and every failure is documented alike (api-v2.md 1 and 2.0).
import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";
import type { ZodError, ZodType } from "zod";
import { readSettings } from "../../../env.ts";
import { authenticate } from "../../../middleware/authenticate.ts";
import { announceAllowance } from "../../../middleware/on-error.ts";
import { takeBodyAsJson } from "../../../middleware/request-body.ts";
import { administrationOf, type RemoteAdministration } from "../../../middleware/tailnet-for.ts";
import type { Actor } from "../../../tailnet/entities/actor.ts";
import { type Operation, type PublicOperation, reachOfOperation } from "./access.ts";

/** What a handler finds in `c.var` once the caller may do what it asks for. */
export interface Authorized {
  Bindings: Env;
  Variables: {
    actor: Actor;
    /** The user to whose things the caller is confined; null: may do it to everybody's. */
    ownerId: number | null;
    administration: RemoteAdministration;
    /** Public id of the tailnet, `T…CNTRL`. */
    tailnetId: string;
  };
}

type RouteSpec = Omit<RouteConfig, "operationId" | "middleware" | "security" | "hide">;

const ErrorBody = z
  .object({
    message: z.string().openapi({ example: "API token invalid" }),
    data: z
      .array(z.object({ user: z.string(), errors: z.array(z.string()) }))
      .optional()
      .openapi({ description: "Of a policy file whose tests fail: what was expected for whom." }),
  })
  .openapi("Error", { description: "What every answer with status 400 or above holds." });

/** A route for callers who may do `operation` by the table in access.ts. */
export function apiRoute<
  const O extends Exclude<Operation, PublicOperation>,
  const P extends string,
  const R extends RouteSpec & { path: P },
>(operation: O, spec: R) {
  return createRoute({
    ...spec,
    operationId: operation,
    security: [{ bearer: [] }, { basic: [] }],
    middleware: createMiddleware<Authorized>(async (c, next) => {
      await authorize(c, operation);
      if (takesJson(spec)) await takeBodyAsJson(c, spec.request?.body?.required === true);
      await next();
    }),
    responses: { default: reply(ErrorBody, "Refused or failed"), ...spec.responses },
  });
}

/** A route for anybody; what its caller must show is the handler's business. */
export function publicRoute<
  const O extends PublicOperation,
  const P extends string,
  const R extends RouteSpec & { path: P },
>(operation: O, spec: R) {
  return createRoute({
    ...spec,
    operationId: operation,
    security: [],
    middleware: createMiddleware(async (c, next) => {
      if (takesJson(spec)) await takeBodyAsJson(c, spec.request?.body?.required === true);
      await next();
    }),
    responses: { default: reply(ErrorBody, "Refused or failed"), ...spec.responses },
  });
}

/** A JSON answer. */
export function reply<S extends ZodType>(schema: S, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** A JSON body. */
export function body<S extends ZodType>(schema: S) {
  return { content: { "application/json": { schema } }, required: true };
}

/** The answer of operations that have nothing to say. */
export const Done = z.object({}).openapi("Done", { description: "An empty object." });

/** Answers a request that its schema refuses; names the field. */
export function onInvalid(result: { success: boolean; error?: ZodError }, c: Context): Response | undefined {
  if (result.success) return undefined;
  const issue = result.error?.issues[0];
  const field = issue?.path.join(".") || "body";
  return c.json({ message: `${field}: ${issue?.message ?? "invalid"}` }, 400);
}

/** Who calls, about this tailnet. @throws HTTPException 401, 404 when the path names another tailnet, or 429 */
export async function identify(c: Context): Promise<{ readonly actor: Actor; readonly tailnetId: string }> {
  const { actor, tailnetId, allowance } = await authenticate(c.req.raw, administrationOf(c.env));
  if (allowance !== null) announceAllowance(c, allowance);
  checkTailnet(c, tailnetId);
  return { actor, tailnetId };
}

async function authorize(c: Context<Authorized>, operation: Exclude<Operation, PublicOperation>): Promise<void> {
  const { actor, tailnetId } = await identify(c);
  const reach = reachOfOperation(actor, operation);
  if (reach === "none") throw forbidden();
  c.set("actor", actor);
  c.set("ownerId", reach === "own" && actor.kind === "user" ? actor.user.id : null);
  c.set("tailnetId", tailnetId);
  c.set("administration", administrationOf(c.env, actor));
}

/** Routes whose body is not described by a schema read it themselves. */
function takesJson(spec: RouteSpec): boolean {
  const content = spec.request?.body?.content["application/json"];
  return content !== undefined && "schema" in content && content.schema instanceof z.ZodType;
}

/** The refusal of a caller who lacks a permission. */
export function forbidden(): HTTPException {
  const message = "calling actor does not have enough permissions to perform this function";
  return new HTTPException(403, { message });
}

/** `{tailnet}` is `-`, the tailnet's id, name or MagicDNS suffix; there is no telling whether others exist. */
function checkTailnet(c: Context, tailnetId: string): void {
  const name = c.req.param("tailnet");
  if (name === undefined || name === "-") return;
  const { tailnetName, magicDnsSuffix } = readSettings(c.env);
  const isOurs = [tailnetId, tailnetName, magicDnsSuffix].some((own) => own.toLowerCase() === name.toLowerCase());
  if (!isOurs) throw new HTTPException(404, { message: "tailnet not found" });
}
