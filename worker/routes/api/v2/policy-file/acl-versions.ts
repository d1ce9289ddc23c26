// The history of the policy file, and going back in it. An extension: the hosted service has no such endpoints.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { found, RefusalException } from "../../../../middleware/on-error.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import { apiRoute, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";
import { bothForms, etag, policyFile, tagOf } from "./acl.ts";

const TAGS = ["Policy file"];
const path = "/tailnet/{tailnet}/acl/versions";
const VersionId = z
  .string()
  .regex(/^[1-9]\d{0,14}$/)
  .openapi({ param: { name: "versionId", in: "path" }, example: "7" });
const params = z.object({ tailnet: TailnetName, versionId: VersionId });

const VersionSchema = z
  .object({
    id: z.string(),
    author: z.string().openapi({ description: "Login name or key id of who saved it." }),
    created: z.string(),
    isDefault: z.boolean(),
  })
  .openapi("PolicyVersion");

const listPolicyVersions = apiRoute("listPolicyVersions", {
  method: "get",
  path,
  tags: TAGS,
  summary: "List versions of the policy file",
  description: "Newest first: the first is the present file. An extension of flarescale.",
  request: { params: z.object({ tailnet: TailnetName }) },
  responses: { 200: reply(z.object({ versions: z.array(VersionSchema) }), "Versions that are kept") },
});

const getPolicyVersion = apiRoute("getPolicyVersion", {
  method: "get",
  path: `${path}/{versionId}`,
  tags: TAGS,
  summary: "Get a version of the policy file",
  description: "In the forms of the policy file. An extension of flarescale.",
  request: { params },
  responses: { 200: { description: "The version", headers: etag, content: bothForms } },
});

const restorePolicyVersion = apiRoute("restorePolicyVersion", {
  method: "post",
  path: `${path}/{versionId}/restore`,
  tags: TAGS,
  summary: "Go back to a version of the policy file",
  description: "Saves it as the newest version, after the checks of any other file. An extension of flarescale.",
  request: { params, headers: z.object({ "if-match": z.string().optional() }) },
  responses: { 200: { description: "The policy file", headers: etag, content: bothForms } },
});

/** The history of the policy file. */
export const aclVersionRoutes = new OpenAPIHono<{ Bindings: Env }>();

aclVersionRoutes.openapi(listPolicyVersions, async (c) => {
  const versions = await c.var.administration.policyFile.versions();
  const shown = versions.map(({ id, author, savedAt, isDefault }) => {
    return { id: String(id), author, created: formatTime(savedAt), isDefault };
  });
  return c.json({ versions: shown }, 200);
});

aclVersionRoutes.openapi(getPolicyVersion, async (c) => {
  const version = found(
    await c.var.administration.policyFile.version(Number(c.req.param("versionId"))),
    "policy version",
  );
  return policyFile(c, version);
});

aclVersionRoutes.openapi(restorePolicyVersion, async (c) => {
  const ifMatch = tagOf(c.req.valid("header")["if-match"] ?? "*");
  const outcome = await c.var.administration.policyFile.restore(Number(c.req.param("versionId")), ifMatch);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return policyFile(c, outcome.result);
});
