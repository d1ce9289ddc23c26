// Which rules of a policy file apply to whom, before it is in force (api-v2.md 2.6).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { readText } from "../../../middleware/request-body.ts";
import { PREVIEW_TYPES, parsePreviewSubject } from "../../../policy/preview.ts";
import { POLICY_MAX_TEXT } from "../../../protocol/limits.ts";
import { bothForms, sentenceOf } from "./acl.ts";
import { apiRoute, reply } from "./api-route.ts";
import { TailnetName } from "./device-schema.ts";

const sentences = z.array(z.string()).readonly();

const Preview = z
  .object({
    matches: z.array(
      z.object({
        users: sentences.openapi({ description: "Sources of the rule, as written." }),
        ports: sentences.openapi({ description: "Destinations with ports, as written." }),
        lineNumber: z
          .number()
          .int()
          .openapi({ description: "Line of the body; 0: the rule of a file without acls and grants." }),
        via: sentences.optional(),
        postures: sentences.optional(),
      }),
    ),
    type: z.enum(PREVIEW_TYPES),
    previewFor: z.string(),
    postures: z.record(z.string(), sentences).optional().openapi({ description: "Conditions of the postures named." }),
  })
  .openapi("PolicyPreview");

const previewPolicyFile = apiRoute("previewPolicyFile", {
  method: "post",
  path: "/tailnet/{tailnet}/acl/preview",
  tags: ["Policy file"],
  summary: "Show which rules of a policy file apply",
  description:
    "To a user or tag as source, or to an address and port as destination. The file in the body is not saved. That a tag may be asked for is an extension of flarescale.",
  request: {
    params: z.object({ tailnet: TailnetName }),
    query: z.object({
      type: z.enum(PREVIEW_TYPES),
      previewFor: z.string().openapi({
        description: "`user`: a login name or `tag:name`; `ipport`: `100.64.0.1:22` or `[fd7a:115c:a1e0::1]:22`.",
      }),
    }),
    body: { content: bothForms },
  },
  responses: { 200: reply(Preview, "The rules that apply") },
});

/** Previews of a policy file. */
export const aclPreviewRoutes = new OpenAPIHono<{ Bindings: Env }>();

aclPreviewRoutes.openapi(previewPolicyFile, async (c) => {
  const { type, previewFor } = c.req.valid("query");
  const subject = parsePreviewSubject(type, previewFor);
  if (typeof subject === "string") throw new HTTPException(400, { message: subject });
  const text = await readText(c.req.raw, POLICY_MAX_TEXT);
  const preview = await c.var.administration.policyFile.preview(text, subject);
  if (!preview.ok) throw new HTTPException(400, { message: preview.problems.map(sentenceOf)[0] ?? "invalid" });
  const { matches, postures } = preview;
  const shown = matches.map(({ users, ports, line, via, postures: asked }) => {
    return {
      users,
      ports,
      lineNumber: line,
      ...(via.length > 0 && { via }),
      ...(asked.length > 0 && { postures: asked }),
    };
  });
  return c.json({ matches: shown, type, previewFor, ...(Object.keys(postures).length > 0 && { postures }) }, 200);
});
