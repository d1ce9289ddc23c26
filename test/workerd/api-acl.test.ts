// The policy file through the public API: representations, tags and preconditions, resets, what is refused and how.
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "../../worker/policy/authority.ts";
import { formatHuJson } from "../../worker/policy/hujson/format.ts";
import { toHex, utf8 } from "../../worker/protocol/bytes.ts";
import { api, type Call, person } from "./support/api.ts";

const ACL = "/tailnet/-/acl";
const HUJSON = `{
	// Who may reach what.
	"ACLs": [
		{"Action": "accept", "Users": ["*"], "Ports": ["*:*"]}, /* everybody */
	],
	"groups": {"group:2": ["b@example.com"], "group:1": ["a@example.com"],},
}
`;

const WITH_FAILING_TEST = JSON.stringify({
  acls: [{ action: "accept", src: ["*"], dst: ["*:*"] }],
  tests: [{ src: "100.64.0.1", deny: ["100.64.0.2:22"] }],
});
const FAILURE = {
  message: "test(s) failed",
  data: [{ user: "100.64.0.1", errors: ['address "100.64.0.2:22": want: Drop, got: Accept'] }],
};

let token: string;

beforeAll(async () => {
  ({ token } = await person(100, "admin"));
});

beforeEach(async () => {
  await api(ACL, { body: "", method: "POST", token });
});

const read = async (call: Call = {}, query = "") => await api(`${ACL}${query}`, { token, ...call });
const write = async (body: unknown, headers: Record<string, string> = {}) =>
  await api(ACL, { body, method: "POST", token, headers });
const tagOf = async (text: string) => `"${toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text))))}"`;

describe("the policy file", () => {
  it("comes back byte for byte, as HuJSON unless JSON is asked for", async () => {
    expect((await write(HUJSON)).status).toBe(200);
    for (const accept of [undefined, "*/*", "application/hujson", "text/plain"]) {
      const answer = await read(accept === undefined ? {} : { headers: { accept } });
      expect([answer.status, answer.text]).toEqual([200, HUJSON]);
      expect(answer.headers.get("content-type")).toBe("application/hujson");
      expect(answer.headers.get("cache-control")).toBe("no-store, no-transform");
    }
  });

  it("is strict JSON for those who ask for it, with keys, their case and their order as written", async () => {
    await write(HUJSON);
    for (const accept of ["application/json", "text/html, Application/JSON;q=0.9"]) {
      const answer = await read({ headers: { accept } });
      expect(answer.headers.get("content-type")).toBe("application/json");
      expect(answer.json).toEqual({
        ACLs: [{ Action: "accept", Users: ["*"], Ports: ["*:*"] }],
        groups: { "group:2": ["b@example.com"], "group:1": ["a@example.com"] },
      });
      expect(Object.keys(answer.json)).toEqual(["ACLs", "groups"]);
      expect(Object.keys(answer.json.groups)).toEqual(["group:2", "group:1"]);
    }
  });

  it("has the SHA-256 of its canonical form as tag, in quotes", async () => {
    const tag = await tagOf(formatHuJson(HUJSON) as string);
    const written = await write(HUJSON);
    expect(written.headers.get("etag")).toBe(tag);
    for (const accept of ["application/json", "application/hujson"]) {
      expect((await read({ headers: { accept } })).headers.get("etag")).toBe(tag);
    }
    expect((await read({}, "?details=1")).headers.get("etag")).toBe(tag);
    const laidOut = formatHuJson(HUJSON) as string;
    expect(laidOut).not.toBe(HUJSON);
    expect((await write(laidOut)).headers.get("etag")).toBe(tag);
    expect((await read()).text).toBe(laidOut);
  });

  it.each(["1", "true"])("comes with details for details=%s", async (details) => {
    await write(HUJSON);
    const { json } = await read({ headers: { accept: "application/hujson" } }, `?details=${details}`);
    expect(json).toEqual({ acl: btoa(HUJSON), warnings: expect.any(Array), errors: null });
  });

  it("comes without details for details=0", async () => {
    expect((await read({}, "?details=0")).text).toBe(DEFAULT_POLICY);
  });

  it("may hold any character", async () => {
    const text = '{ // naïve — 日本語 🦜\n "groups": {"group:é": ["é@example.com"]}}';
    await write(text);
    expect((await read()).text).toBe(text);
    const { acl } = (await read({}, "?details=1")).json;
    expect(new TextDecoder().decode(Uint8Array.from(atob(acl), (c) => c.charCodeAt(0)))).toBe(text);
  });
});

describe("replacing the policy file", () => {
  it.each([
    [{}, "application/hujson", HUJSON],
    [{ accept: "application/hujson", "content-type": "application/json" }, "application/hujson", HUJSON],
    [{ "content-type": "text/nonsense" }, "application/hujson", HUJSON],
  ])("answers with the new file: %j", async (headers, type, text) => {
    const answer = await write(HUJSON, headers);
    expect([answer.status, answer.headers.get("content-type"), answer.text]).toEqual([200, type, text]);
    expect((await write(HUJSON, { accept: "application/json" })).json).toHaveProperty("ACLs");
  });

  it("takes a byte order mark away", async () => {
    expect((await write(`\uFEFF${HUJSON}`)).text).toBe(HUJSON);
  });

  it("takes a file with nothing but tag owners", async () => {
    expect((await write({ tagOwners: { "tag:x": ["autogroup:member"] } })).status).toBe(200);
  });

  it.each(["", " ", "\n\t \n", undefined])("goes back to the default for the blank body %j", async (body) => {
    await write(HUJSON);
    const answer = await write(body);
    expect([answer.status, answer.text]).toEqual([200, DEFAULT_POLICY]);
    expect((await write("{}", { "if-match": '"ts-default"' })).status).toBe(200);
  });

  it.each([
    ["{", /^line 1, column \d+: /],
    ['{\n  "acls": 7\n}', /^line 2, column \d+: /],
    ['{\n\n  "nonsense": 1}', /^line 3, column \d+: /],
    ["[]", /^line 1, column 1: /],
    ['{"groups": {"group:a": ["b"]}, }, ', /^line 1, column \d+: /],
    ["null", /^line 1, column 1: /],
    ["\u0000", /^line 1, column 1: /],
  ])("refuses %j with line and column, and keeps what was", async (text, message) => {
    await write(HUJSON);
    const answer = await write(text);
    expect(answer.status).toBe(400);
    expect(answer.json.message).toMatch(message);
    expect((await read()).text).toBe(HUJSON);
  });

  it("refuses a file whose tests fail, and says which", async () => {
    const answer = await write(WITH_FAILING_TEST);
    expect([answer.status, answer.json]).toEqual([400, FAILURE]);
    expect((await read()).text).toBe(DEFAULT_POLICY);
  });

  it("refuses a file of more than 1 MiB with 413, by header or by what arrives", async () => {
    const large = `{}//${"x".repeat((1 << 20) - 3)}`;
    expect(await write(large)).toMatchObject({ status: 413, json: { message: "body is larger than 1048576 bytes" } });
    const just = `{}//${"x".repeat((1 << 20) - 4)}`;
    expect((await write(just)).status).toBe(200);
  });
});

describe("a precondition", () => {
  const refusal = { status: 412, json: { message: "precondition failed, invalid old hash" } };

  it("holds for the tag of the file in force, however it is quoted", async () => {
    for (const quote of [
      (tag: string) => tag,
      (tag: string) => tag.slice(1, -1),
      (tag: string) => `W/${tag}`,
      (tag: string) => `"W/\\"${tag.slice(1, -1)}\\""`,
      (tag: string) => ` ${tag} `,
    ]) {
      const tag = (await write(HUJSON)).headers.get("etag") ?? "";
      expect((await write("{}", { "if-match": quote(tag) })).status).toBe(200);
    }
  });

  it("fails for the tag of the file before, and nothing changes", async () => {
    const stale = (await read()).headers.get("etag") ?? "";
    await write(HUJSON);
    expect(await write("{}", { "if-match": stale })).toMatchObject(refusal);
    expect((await read()).text).toBe(HUJSON);
  });

  it.each(['""', '"0"', "W/", '"ts-Default"', `"${"a".repeat(64)}"`])("fails for the tag %j", async (tag) => {
    expect(await write("{}", { "if-match": tag })).toMatchObject(refusal);
  });

  it("ts-default holds while the file is the default one, and again after a reset", async () => {
    expect((await write("{}", { "if-match": '"ts-default"' })).status).toBe(200);
    expect(await write("{}", { "if-match": '"ts-default"' })).toMatchObject(refusal);
    await write("");
    expect((await write("{}", { "if-match": "ts-default" })).status).toBe(200);
  });

  it("* holds always", async () => {
    expect((await write(HUJSON, { "if-match": "*" })).status).toBe(200);
  });

  it("is looked at after the file: what is wrong with it comes first", async () => {
    expect((await write("{", { "if-match": '"0"' })).status).toBe(400);
  });

  it("lets exactly one of many writers with the same tag win", async () => {
    for (let round = 0; round < 5; round++) {
      const tag = (await write(HUJSON)).headers.get("etag") ?? "";
      const texts = Array.from({ length: 10 }, (_, i) => `{} // writer ${i}`);
      const answers = await Promise.all(texts.map((text) => write(text, { "if-match": tag })));
      const winners = texts.filter((_, i) => answers[i]?.status === 200);
      expect(winners).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 412)).toHaveLength(9);
      expect((await read()).text).toBe(winners[0]);
    }
  });
});

describe("checking a policy file", () => {
  const check = async (body: unknown) => await api(`${ACL}/validate`, { body, method: "POST", token });

  it("answers an empty object for a good file, in both forms, and changes nothing", async () => {
    for (const body of [HUJSON, JSON.stringify({ acls: [] }), "{}", `\uFEFF${HUJSON}`]) {
      expect(await check(body)).toMatchObject({ status: 200, text: "{}" });
    }
    expect((await read()).text).toBe(DEFAULT_POLICY);
  });

  it("answers findings with status 200, each with its place", async () => {
    const answer = await check('{\n  "acls": 7,\n  "groups": 8\n}');
    expect(answer.status).toBe(200);
    const [{ user, errors }] = answer.json.data;
    const places = [expect.stringMatching(/^line 2, column 11: /), expect.stringMatching(/^line 3, column 13: /)];
    expect([user, [...errors].sort((a, b) => a.localeCompare(b))]).toEqual(["", places]);
    expect(answer.json.message).toBe(errors[0]);
  });

  it.each(["", "{", "null", "7", "\u0000"])("finds fault with %j", async (body) => {
    const answer = await check(body);
    expect(answer.status).toBe(200);
    expect(answer.json.message).toMatch(/^line 1, column \d+: /);
  });

  it("runs the file's tests", async () => {
    const answer = await check(WITH_FAILING_TEST);
    expect([answer.status, answer.json]).toEqual([200, FAILURE]);
  });

  it("runs tests alone against the file in force", async () => {
    await write({
      hosts: { db: "10.0.0.1" },
      acls: [{ action: "accept", src: ["admin-100@example.com"], dst: ["db:22"] }],
    });
    const passing = [{ src: "100.64.0.1", deny: ["db:22"] }];
    expect(await check(passing)).toMatchObject({ status: 200, text: "{}" });
    expect((await check([{ src: "100.64.0.1", accept: ["db:22"] }])).json).toEqual({
      message: "test(s) failed",
      data: [{ user: "100.64.0.1", errors: ['address "db:22": want: Accept, got: Drop'] }],
    });
    expect((await check("[]")).text).toBe("{}");
    expect((await check("[\n  7\n]")).json.message).toMatch(/^line 2, column \d+: /);
    expect((await check("[")).json.message).toMatch(/^line 1, column \d+: /);
  });

  it("refuses more than 1 MiB", async () => {
    expect((await check("x".repeat((1 << 20) + 1))).status).toBe(413);
  });
});
