// The description of the API: everything is in it, every example works and is answered as described; the page for people.
import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { OPERATIONS, type Operation } from "../../worker/routes/api/v2/access.ts";
import type { DescribedSchema, Description } from "../../worker/routes/api/v2/description/document.ts";
import { EXAMPLES } from "../../worker/routes/api/v2/description/examples.ts";
import { type Answer, api, BOOTSTRAP_SECRET, ORIGIN } from "./support/api.ts";
import {
  type Endpoint,
  endpointsOf,
  exampleCall,
  examplePath,
  seedExamples,
  servedDescription,
} from "./support/example-tailnet.ts";

/** Examples that can not succeed, with the status that they get instead. */
const REFUSED: Partial<Record<Operation, number>> = {
  exchangeToken: 401, // a token of an issuer is valid for minutes
  listNetworkFlowLogs: 404,
  resendContactVerification: 400, // no contact waits to be verified
  importTailnet: 400, // the beginning of a file alone
  resendUserInvite: 400, // no mail is sent
  validateAwsTrustPolicy: 422, // no roles are taken on
};

let document: Description;
let token: string;

beforeAll(async () => {
  document = await servedDescription();
  const first = endpointsOf(document).find(({ operation }) => operation.operationId === "bootstrap") as Endpoint;
  const answer = await api(examplePath(first), exampleCall(first, BOOTSTRAP_SECRET));
  checkAnswer(first, answer, 200);
  token = answer.json.apiToken as string;
});

/** A schema of the document as a validator that admits no property which is not described. */
function validatorOf(schema: DescribedSchema): z.ZodType {
  const definitions = Object.fromEntries(
    Object.entries(document.components.schemas).map(([name, each]) => [name, strict(each)]),
  );
  return z.fromJSONSchema({ ...(strict(schema) as object), $defs: definitions } as never);
}

function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, each]) => {
    return [name, name === "$ref" ? String(each).replace("#/components/schemas/", "#/$defs/") : strict(each)] as const;
  });
  const isClosed = "properties" in value && !("additionalProperties" in value);
  return { ...Object.fromEntries(fields), ...(isClosed && { additionalProperties: false }) };
}

/** Compares an answer with what is described for its status. */
function checkAnswer({ operation }: Endpoint, answer: Answer, status: number): void {
  expect([answer.status, answer.text]).toEqual([status, expect.any(String)]);
  const described = operation.responses[String(answer.status)] ?? operation.responses.default;
  const type = answer.headers.get("content-type")?.split(";")[0] ?? "";
  expect(Object.keys(described?.content ?? {})).toContain(type);
  const schema = described?.content?.[type]?.schema;
  if (type !== "application/json" || schema === undefined) return;
  const result = validatorOf(schema).safeParse(answer.json);
  expect(result.error?.issues ?? [], answer.text).toEqual([]);
}

describe("the OpenAPI document", () => {
  it("describes every operation of the table, each with a summary, a group and its answers", () => {
    const operations = endpointsOf(document).map(({ operation }) => operation);
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(OPERATIONS).sort());
    for (const { operationId, summary, tags, responses, security } of operations) {
      expect([operationId, summary.length > 5, tags.length]).toEqual([operationId, true, 1]);
      expect(Object.keys(responses)).toContain("default");
      expect(
        Object.keys(responses).some((status) => status.startsWith("2")),
        operationId,
      ).toBe(true);
      expect(security.length > 0, operationId).toBe(OPERATIONS[operationId] !== "public");
    }
  });

  it("has examples for every parameter of a path, every one that is required and every body", () => {
    for (const endpoint of endpointsOf(document)) {
      expect(() => [examplePath(endpoint), exampleCall(endpoint, "")]).not.toThrow();
      for (const { name, required, example } of endpoint.operation.parameters ?? []) {
        if (required === true) expect([endpoint.operation.operationId, name, example]).not.toContain(undefined);
      }
    }
    expect(Object.keys(EXAMPLES).sort()).toEqual(Object.keys(OPERATIONS).sort());
  });

  it("names only schemas that it has, and patterns that other languages can read", () => {
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
    for (const [, pattern] of text.matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)) {
      const source = JSON.parse(pattern as string) as string;
      expect(() => new RegExp(source, "u")).not.toThrow();
      expect(source).not.toMatch(/\/[a-z]+$|\\p/);
    }
  });

  it("is served where generators of clients look for it too", async () => {
    const response = await exports.default.fetch(`${ORIGIN}/api/v2?outputOpenapiSchema=true`);
    expect([response.status, await response.json()]).toEqual([200, document]);
    expect((await exports.default.fetch(`${ORIGIN}/api/v2`)).status).toBe(404);
  });
});

describe("the example of", () => {
  it("a tailnet has the same history each time that it is made", async () => {
    for (let i = 0; i < 3; i++) await seedExamples();
    const { versions } = (await api("/tailnet/-/acl/versions", { token })).json;
    expect(versions.map(({ id }: { id: string }) => id)).toEqual(["2", "1"]);
  });

  const operations = (Object.keys(OPERATIONS) as Operation[]).filter((operation) => operation !== "bootstrap");

  it.each(operations)("%s works, and is answered as described", async (operationId) => {
    const endpoint = endpointsOf(document).find(({ operation }) => operation.operationId === operationId) as Endpoint;
    await seedExamples();
    const answer = await api(examplePath(endpoint), exampleCall(endpoint, token));
    const success = Number(Object.keys(endpoint.operation.responses).find((status) => status.startsWith("2")));
    checkAnswer(endpoint, answer, REFUSED[operationId] ?? success);
  });
});

describe("the reference page", () => {
  it("shows every operation, schema and example, and needs nothing from elsewhere", async () => {
    const response = await exports.default.fetch(`${ORIGIN}/api`);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    const page = await response.text();
    for (const { path, operation } of endpointsOf(document)) {
      expect(page).toContain(`<details id="${operation.operationId}">`);
      expect(page).toContain(path);
    }
    for (const name of Object.keys(document.components.schemas)) expect(page).toContain(`id="schema-${name}"`);
    expect(page).toContain("&quot;tag:web&quot;"); // examples are escaped
    expect(page).not.toMatch(/<script|\son\w+=|src=|@import|url\(/i);
    const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, href]) => href as string);
    const targets = new Set([...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => `#${id}`));
    expect(links.filter((href) => !targets.has(href) && href !== "/api/v2/openapi.json")).toEqual([]);
  });

  it("fits a phone, and permits its own style alone", async () => {
    const response = await exports.default.fetch(`${ORIGIN}/api`);
    expect(await response.text()).toContain('<meta name="viewport" content="width=device-width, initial-scale=1" />');
    const csp = response.headers.get("content-security-policy");
    expect(csp).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/]+='; form-action 'self'; frame-ancestors 'none'/);
  });
});
