// Bad input for every operation of the API, made from its description, so that a new one is covered without a line here:
// wrong types, unknown fields and ids, injections, sizes, stale tags. Whatever is refused gets a message and changes
// nothing, which is looked up in the database itself.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { TRANSFER_MAX } from "../../worker/protocol/limits.ts";
import { OPERATIONS, type Operation } from "../../worker/routes/api/v2/access.ts";
import type { DescribedSchema, Description } from "../../worker/routes/api/v2/description/document.ts";
import { api, BOOTSTRAP_SECRET, type Call, person } from "./support/api.ts";
import {
  type Endpoint,
  endpointsOf,
  exampleCall,
  examplePath,
  seedExamples,
  servedDescription,
} from "./support/example-tailnet.ts";

const INJECTIONS = [
  "'; drop table nodes; --",
  '" or ""="',
  "<script>alert(1)</script>",
  "../../../etc/passwd",
  "\u0000",
  "a\r\nset-cookie: x=y",
  "$" + "{7*7}{{7*7}}",
  "__proto__",
  "constructor",
  "\uD800",
  "x".repeat(70_000),
];
const UNKNOWN_IDS = ["nOtherTailnetCNTRL", "999999999", "0", "-1", "1e3", "*", ...INJECTIONS.slice(0, 10)];
const WRONG_VALUES = [7, -1, 1.5, 1e308, true, "text", [], [[]], {}, { a: { b: null } }, [null], null];
const NO_OBJECTS = ["7", '"text"', "true", "[[]]", "null", "NaN", "{]", '{"a"', "'a'", "{}{}", "\u0000"];

/** Parameters that may take any value, by operation: they make what they name, or deleting what is not there is fine. */
const FREE: Partial<Record<Operation, string>> = {
  putService: "serviceName",
  putVipService: "serviceName",
  setDeviceAttribute: "attributeKey",
  deleteDeviceAttribute: "attributeKey",
};

let document: Description;
let token: string;
/** What the database held after the last request that was to change it. */
let before: string;

beforeAll(async () => {
  document = await servedDescription();
  token = (await person(100, "owner")).token;
  await api("/tailnet/-/acl", { body: "{}", token }); // so that the file has a version that can be restored
});

beforeEach(async () => {
  await seedExamples();
  before = await records();
});

const operations = Object.keys(OPERATIONS) as Operation[];
const endpointOf = (operationId: Operation) =>
  endpointsOf(document).find(({ operation }) => operation.operationId === operationId) as Endpoint;

/** What changes by itself: how streams and events fare that lead to hosts that are not there. */
const FATES = ["log_stream_states", "webhook_deliveries"];

/** Everything that the database holds otherwise. */
async function records(): Promise<string> {
  return await runInDurableObject(tailnetFor(env), (_, { storage: { sql } }) => {
    const tables = sql.exec<{ name: string }>(
      "select name from sqlite_master where type = 'table' and name not like '\\_%' escape '\\'",
    );
    const names = tables
      .toArray()
      .map(({ name }) => name)
      .filter((name) => !FATES.includes(name));
    return JSON.stringify(names.map((name) => [name, sql.exec(`select * from "${name}"`).toArray()]));
  });
}

function callOf(endpoint: Endpoint): Call {
  return exampleCall(endpoint, endpoint.operation.operationId === "bootstrap" ? BOOTSTRAP_SECRET : token);
}

/** Sends bad input. A refusal has a message; a success is taken as the new state. Returns the status. */
async function send(path: string, call: Call, isRefusalDue: boolean): Promise<number> {
  const { status, json, text } = await api(path, call);
  const told = `${call.method} ${path.slice(0, 200)} ${String(call.body).slice(0, 200)}: ${status} ${text.slice(0, 300)}`;
  expect(status, told).toBeLessThan(500);
  if (isRefusalDue) expect(status, told).toBeGreaterThanOrEqual(400);
  if (status < 400) before = await records();
  else expect([typeof json?.message, told]).toEqual(["string", told]);
  return status;
}

async function expectUnchanged(): Promise<void> {
  expect(await records()).toBe(before);
}

/** A validator of what the description says of a body. */
function validatorOf(schema: DescribedSchema): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas });
  return z.fromJSONSchema(JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/")) as never);
}

/** Copies of a value in each of which one part is another; the whole is a part too. */
function* changed(value: unknown, others: readonly unknown[]): Generator<unknown> {
  yield* others;
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    for (const other of changed(inner, others)) {
      yield Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other };
    }
  }
}

/** The schema of an operation's JSON body; undefined when it takes none. */
function bodySchema({ operation }: Endpoint): DescribedSchema | undefined {
  const content = operation.requestBody?.content;
  return content !== undefined && Object.keys(content).join() === "application/json"
    ? content["application/json"]?.schema
    : undefined;
}

describe("a body of the wrong types", () => {
  it.each(operations)("is refused by %s as the description has it", async (operationId) => {
    const endpoint = endpointOf(operationId);
    const schema = bodySchema(endpoint);
    const call = callOf(endpoint);
    const path = examplePath(endpoint);
    if (schema === undefined) {
      // What an operation does not take does not disturb it, and never breaks it.
      if (endpoint.method !== "GET") await send(path, { ...call, body: '{"x": [1' }, false);
      return;
    }
    const validator = validatorOf(schema);
    for (const body of NO_OBJECTS) await send(path, { ...call, body }, true);
    for (const body of changed(call.body, WRONG_VALUES)) {
      // Texts are sent as they are by the test's client, so the JSON is made here.
      await send(path, { ...call, body: JSON.stringify(body) }, !validator.safeParse(body).success);
    }
    await expectUnchanged();
  });
});

describe("injections into a body", () => {
  it.each(operations)("are data or refused for %s", async (operationId) => {
    const endpoint = endpointOf(operationId);
    const call = callOf(endpoint);
    const path = examplePath(endpoint);
    if (bodySchema(endpoint) === undefined) {
      if (endpoint.method === "GET") return;
      for (const body of INJECTIONS) await send(path, { ...call, body }, false);
    } else {
      for (const body of changed(call.body, INJECTIONS))
        await send(path, { ...call, body: JSON.stringify(body) }, false);
    }
    await expectUnchanged();
  });
});

describe("fields that are not known", () => {
  it.each(operations)("make no difference to %s", async (operationId) => {
    const endpoint = endpointOf(operationId);
    const call = callOf(endpoint);
    const isRecord = operationId === "setSplitDns" || operationId === "updateSplitDns"; // names of domains
    if (bodySchema(endpoint) === undefined || Array.isArray(call.body) || isRecord) return;
    const path = examplePath(endpoint);
    const plain = await api(path, call);
    await seedExamples();
    const body = JSON.stringify(call.body).replace(/\{/, '{"xUnknown": {"a": [1]}, "__proto__": {"isAdmin": true}, ');
    const extended = await api(path, { ...call, body });
    const known =
      operationId === "bootstrap" || operationId.startsWith("create") ? [plain.status, 409] : [plain.status];
    expect(known).toContain(extended.status);
    expect(JSON.stringify(await records())).not.toMatch(/xUnknown|isAdmin/);
  });
});

describe("ids of nobody, of another tailnet, and no ids at all", () => {
  const named = (operationId: Operation) => {
    const { operation } = endpointOf(operationId);
    return (operation.parameters ?? []).filter((each) => each.in === "path" && FREE[operationId] !== each.name);
  };

  it.each(operations)("are refused by %s", async (operationId) => {
    const endpoint = endpointOf(operationId);
    for (const { name } of named(operationId)) {
      for (const id of UNKNOWN_IDS) {
        const path = examplePath(endpoint, { [name]: id.toWellFormed() });
        const status = await send(path, callOf(endpoint), true);
        expect([400, 403, 404], `${endpoint.method} ${path}`).toContain(status);
      }
    }
    await expectUnchanged();
  });
});

describe("what is too large", () => {
  it.each(operations)("is refused by %s", async (operationId) => {
    const endpoint = endpointOf(operationId);
    if (endpoint.operation.requestBody === undefined) return;
    const body = new Uint8Array((operationId === "importTailnet" ? TRANSFER_MAX : 10 << 20) + 1).fill(32);
    expect(await send(examplePath(endpoint), { ...callOf(endpoint), body }, true)).toBe(413);
    await expectUnchanged();
  });
});

describe("a stale entity tag", () => {
  it.each(operations)("stops %s, if that takes one", async (operationId) => {
    const endpoint = endpointOf(operationId);
    if (!endpoint.operation.parameters?.some(({ name }) => name.toLowerCase() === "if-match")) return;
    const call = callOf(endpoint);
    // Of the versions that were saved here, only the last 200 are kept.
    const { versions } = (await api("/tailnet/-/acl/versions", { token })).json as { versions: { id: string }[] };
    const path = examplePath(endpoint, { versionId: versions[0]?.id ?? "" });
    for (const tag of [`"${"0".repeat(64)}"`, "ts-default", '""', "W/", "x".repeat(1_000)]) {
      const headers = { ...call.headers, "if-match": tag };
      expect(await send(path, { ...call, headers }, true)).toBe(412);
    }
    await expectUnchanged();
  });
});

describe("queries", () => {
  it.each(operations)("of every kind are survived by %s", async (operationId) => {
    const endpoint = endpointOf(operationId);
    const [path = "", query] = examplePath(endpoint).split("?");
    const names = (endpoint.operation.parameters ?? []).filter((each) => each.in === "query").map(({ name }) => name);
    for (const name of names) {
      for (const value of ["", ...INJECTIONS.slice(0, 10), "x".repeat(2_000)]) {
        const changedQuery = new URLSearchParams(query);
        changedQuery.set(name, value.toWellFormed());
        await send(`${path}?${changedQuery.toString()}`, callOf(endpoint), false);
      }
      await send(`${path}?${name}=%zz&${name}=%ff`, callOf(endpoint), false);
    }
    await expectUnchanged();
  });
});
