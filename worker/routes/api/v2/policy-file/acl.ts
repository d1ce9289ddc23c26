// The policy file: read in three representations, replaced under a precondition, checked (api-v2.md 2.6).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { RefusalException } from "../../../../middleware/on-error.ts";
import { readText } from "../../../../middleware/request-body.ts";
import type { PolicyFindings } from "../../../../objects/administration/policy-file.ts";
import type { PolicyRecord } from "../../../../objects/administration/policy-record.ts";
import type { PolicyProblem } from "../../../../policy/parse.ts";
import { toBase64, utf8 } from "../../../../protocol/bytes.ts";
import { POLICY_MAX_TEXT } from "../../../../protocol/limits.ts";
import { apiRoute, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";
import { toStandardJson } from "../standard-json.ts";

const HUJSON = "application/hujson";
const TAGS = ["Policy file"];
const params = z.object({ tailnet: TailnetName });

/** Documented by hand: a policy file is checked by the policy language, not by a schema. */
const file = { schema: { type: "object" as const, description: "A policy file." } };
const fileOrTests = { schema: { description: "A policy file, or a list of tests. Anything else is a finding." } };
/** Content of an answer that is a policy file. */
export const bothForms = { "application/json": file, [HUJSON]: file };
/** The header of such an answer. */
export const etag = { ETag: { schema: { type: "string" as const }, description: "Tag of the policy file, quoted." } };

const sentences = z.array(z.string()).readonly();
const Verdict = z
  .object({
    message: z.string().optional(),
    data: z
      .array(z.object({ user: z.string(), errors: sentences.optional(), warnings: sentences.optional() }))
      .readonly()
      .optional(),
  })
  .openapi("PolicyVerdict", { description: "Empty when all is well." });

const getPolicyFile = apiRoute("getPolicyFile", {
  method: "get",
  path: "/tailnet/{tailnet}/acl",
  tags: TAGS,
  summary: "Get the policy file",
  description: "JSON when `Accept` names it, else HuJSON as it was written.",
  request: {
    params,
    query: z.object({
      details: z
        .string()
        .optional()
        .openapi({ description: "`1` or `true`: JSON with the file in base64, warnings and errors." }),
    }),
  },
  responses: { 200: { description: "The policy file", headers: etag, content: bothForms } },
});

const setPolicyFile = apiRoute("setPolicyFile", {
  method: "post",
  path: "/tailnet/{tailnet}/acl",
  tags: TAGS,
  summary: "Replace the policy file",
  description: "JSON or HuJSON; an empty body brings the default file back.",
  request: {
    params,
    headers: z.object({
      "if-match": z
        .string()
        .optional()
        .openapi({ description: "Tag that the file in force must have; `ts-default`: it is the default." }),
    }),
    body: { content: bothForms },
  },
  responses: { 200: { description: "The new policy file", headers: etag, content: bothForms } },
});

const validatePolicyFile = apiRoute("validatePolicyFile", {
  method: "post",
  path: "/tailnet/{tailnet}/acl/validate",
  tags: TAGS,
  summary: "Check a policy file, or run tests",
  description:
    "A policy file, whose tests are run too, or a list of tests for the file in force. Changes nothing; findings come with status 200.",
  request: { params, body: { content: { "application/json": fileOrTests, [HUJSON]: fileOrTests } } },
  responses: { 200: reply(Verdict, "What is wrong with the file") },
});

/** The policy file: read, replace, check. */
export const aclRoutes = new OpenAPIHono<{ Bindings: Env }>();

aclRoutes.openapi(getPolicyFile, async (c) => {
  const { administration } = c.var;
  const policy = await administration.policyFile.get();
  if (!isSet(c.req.valid("query").details)) return policyFile(c, policy);
  const { warnings, errors } = await administration.policyFile.check(policy.text);
  const problems = [...(policy.fault === null ? [] : [policy.fault]), ...errors.map(sentenceOf)];
  setHeaders(c, policy);
  return c.json({
    acl: toBase64(utf8(policy.text)),
    warnings: warnings.map(sentenceOf),
    errors: problems.length === 0 ? null : problems,
  }) as never;
});

aclRoutes.openapi(setPolicyFile, async (c) => {
  const { administration } = c.var;
  const text = await readText(c.req.raw, POLICY_MAX_TEXT);
  const outcome = await administration.policyFile.set(text, tagOf(c.req.valid("header")["if-match"] ?? "*"));
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return policyFile(c, outcome.result);
});

aclRoutes.openapi(validatePolicyFile, async (c) => {
  const { administration } = c.var;
  const text = await readText(c.req.raw, POLICY_MAX_TEXT);
  const areTests = text.trimStart().startsWith("[");
  const findings = await (areTests ? administration.policyFile.runTests(text) : administration.policyFile.check(text));
  return c.json(verdictOf(findings), 200);
});

/** Clients take any message for a fault, and warnings for worth one. */
function verdictOf({ errors, warnings, failures }: PolicyFindings): z.input<typeof Verdict> {
  const [first] = errors;
  if (first !== undefined) return { message: sentenceOf(first), data: [{ user: "", errors: errors.map(sentenceOf) }] };
  if (failures.length > 0) return { message: "test(s) failed", data: failures };
  if (warnings.length === 0) return {};
  return { message: "warning(s) found", data: [{ user: "", warnings: warnings.map(sentenceOf) }] };
}

/** The file in the form that the caller accepts; `never`, because a schema of responses cannot say "text or JSON". */
export function policyFile(c: Context, policy: PolicyRecord): never {
  setHeaders(c, policy);
  const wantsJson = c.req.header("accept")?.toLowerCase().includes("application/json") === true;
  c.header("content-type", wantsJson ? "application/json" : HUJSON);
  return c.body(wantsJson ? toStandardJson(policy.text) : policy.text, 200) as never;
}

/** `no-transform`: a proxy that compresses would weaken the tag. */
function setHeaders(c: Context, policy: PolicyRecord): void {
  c.header("etag", `"${policy.tag}"`);
  c.header("cache-control", "no-store, no-transform");
  if (policy.fault !== null) c.header("warning", `199 flarescale "${policy.fault.replaceAll(/[^ !#-[\]-~]/g, "?")}"`);
}

/** The tag in an If-Match header, which clients and proxies quote in several ways: `"x"`, `x`, `W/"x"`, `"W/\"x\""`. */
export function tagOf(header: string): string {
  return header.replaceAll(/W\/|["\\\s]/g, "");
}

function isSet(flag: string | undefined): boolean {
  return flag === "1" || flag === "true";
}

/** The wording is fixed: continuous integration reads the numbers out of it. */
export function sentenceOf({ message, line, column }: PolicyProblem): string {
  return `line ${line}, column ${column}: ${message}`;
}
