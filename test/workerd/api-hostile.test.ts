// Requests to the public API that no honest client sends: every one gets a 4xx with a message, and changes nothing.

import { exports } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { api, BOOTSTRAP_SECRET, node, ORIGIN, person, seed } from "./support/api.ts";

let token: string;
let before: string;

/** Operations that take a JSON body. */
const JSON_PATHS = [
  "/bootstrap",
  "/device/1/authorized",
  "/device/1/name",
  "/device/1/tags",
  "/device/1/key",
  "/device/1/routes",
  "/tailnet/-/keys",
];
const TEXT_PATHS = ["/tailnet/-/acl", "/tailnet/-/acl/validate"];

beforeAll(async () => {
  const made = await person(100, "owner");
  token = made.token;
  await seed({ type: "node-put", node: node(1, { userId: 100, name: "host-1" }) });
  before = await state();
});

/** Everything that requests here could change. */
async function state(): Promise<string> {
  const paths = ["/device/1?fields=all", "/tailnet/-/acl", "/tailnet/-/keys?all=true"];
  return (await Promise.all(paths.map(async (path) => (await api(path, { token })).text))).join("\n");
}

async function send(path: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
  return await api(path, { body, method: "POST", token: path === "/bootstrap" ? BOOTSTRAP_SECRET : token, headers });
}

const MIB = 1 << 20;
const utf8 = (text: string) => new TextEncoder().encode(text);

describe("bodies", () => {
  it.each(JSON_PATHS)("of wrong types are refused by %s", async (path) => {
    for (const body of ["7", '"text"', "true", "[]", "[[]]", "null", "NaN", "{]", '{"a"', "\u0000", "'a'", "{}{}"]) {
      const { status, json } = await send(path, body);
      expect([body, status, typeof json.message]).toEqual([body, 400, "string"]);
    }
    expect(await state()).toBe(before);
  });

  it.each(JSON_PATHS)("of 11 MB are refused by %s, announced or not", async (path) => {
    const large = new Uint8Array(11 * MIB).fill(32);
    expect(await send(path, large)).toMatchObject({
      status: 413,
      json: { message: "body is larger than 10485760 bytes" },
    });
    const chunk = new Uint8Array(MIB).fill(32);
    let sent = 0;
    const body = new ReadableStream({
      pull: (controller) => (sent++ < 11 ? controller.enqueue(chunk) : controller.close()),
    });
    const authorization = `Bearer ${path === "/bootstrap" ? BOOTSTRAP_SECRET : token}`;
    const answer = await exports.default.fetch(`${ORIGIN}/api/v2${path}`, {
      method: "POST",
      body,
      headers: { authorization },
    });
    expect([answer.status, await answer.json()]).toEqual([413, { message: "body is larger than 10485760 bytes" }]);
    expect(await state()).toBe(before);
  });

  it("that lie about their length are counted as they arrive", async () => {
    const { status } = await send("/device/1/name", '{"name": 7}', { "content-length": "99999999999999999999" });
    expect([400, 413]).toContain(status);
  });

  it.each([...JSON_PATHS, ...TEXT_PATHS])("nested deeply are survived by %s", async (path) => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
      ['{"tags":[', "]}"],
    ] as const) {
      for (const depth of [1_000, 100_000]) {
        const { status, json } = await send(path, open.repeat(depth) + close.repeat(depth));
        expect(status).toBeLessThan(500);
        if (status >= 400) expect(typeof json.message).toBe("string");
      }
    }
  });

  it.each(["/device/1/authorized", "/tailnet/-/keys", "/device/1/key"])(
    "that are not UTF-8 are survived by %s",
    async (path) => {
      const broken = new Uint8Array([...utf8('{"name":"'), 0xff, 0xfe, 0xc0, 0x80, ...utf8('"}')]);
      expect((await send(path, broken)).status).toBe(400);
    },
  );

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    ";",
    "x".repeat(1_000),
  ])("are read as JSON whatever the header says: %s", async (type) => {
    const { status, json } = await send("/device/1/authorized", '{"authorized": 7}', { "content-type": type });
    expect([status, json.message]).toEqual([400, "authorized: Invalid input: expected boolean, received number"]);
    expect((await send("/device/1/authorized", '{"authorized": true}', { "content-type": type })).status).toBe(200);
  });

  it("that name prototypes are only data", async () => {
    const { status } = await send(
      "/device/1/key",
      '{"__proto__": {"keyExpiryDisabled": true}, "constructor": {"prototype": {}}}',
    );
    expect(status).toBe(400);
    expect(Object.hasOwn(Object.prototype, "keyExpiryDisabled")).toBe(false);
    expect(await state()).toBe(before);
  });

  it("of every shape get an answer below 500, refused ones with a message", async () => {
    const fields = [
      "authorized",
      "name",
      "tags",
      "keyExpiryDisabled",
      "routes",
      "capabilities",
      "devices",
      "create",
      "expirySeconds",
      "description",
      "keyType",
      "loginName",
    ];
    const value = fc.oneof(
      fc.anything({ withNullPrototype: false, withBigInt: false, maxDepth: 3 }),
      fc.string({ unit: "binary", maxLength: 80 }),
      fc.array(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constant("tag:x"), fc.constant("10.0.0.0/8")), {
        maxLength: 5,
      }),
    );
    const body = fc.dictionary(
      fc.constantFrom(...fields),
      fc.oneof(value, fc.dictionary(fc.constantFrom(...fields), value)),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...JSON_PATHS.slice(1)), body, async (path, content) => {
        const { status, json } = await send(path, JSON.stringify(content));
        expect(status === 200 || (status >= 400 && status < 500) || status === 501).toBe(true);
        if (status !== 200) expect(Object.keys(json)).toEqual(["message"]);
      }),
      { numRuns: 600 },
    );
  });

  it("of random text never break the policy endpoints", async () => {
    const tokens = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"acls"',
      '"grants"',
      '"src"',
      '"*"',
      "7",
      "//",
      "/*",
      "*/",
      "\n",
      "null",
      "\u0000",
      "\uFEFF",
      "\uD800",
      '"tests"',
      '"ssh"',
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...TEXT_PATHS), fc.array(tokens, { maxLength: 30 }), async (path, parts) => {
        const { status } = await send(path, parts.join(" "));
        expect(status).toBeLessThan(500);
      }),
      { numRuns: 400 },
    );
    await send("/tailnet/-/acl", "");
  });
});

describe("paths, queries and headers", () => {
  it("of every shape get an answer that is JSON, and no failure", async () => {
    const segment = fc.oneof(
      fc.constantFrom(
        "-",
        "tailnet",
        "device",
        "devices",
        "keys",
        "acl",
        "7",
        "%00",
        "%2F",
        "%zz",
        "%",
        "..",
        "__proto__",
        "constructor",
        "n00000000007CNTRL",
        "routes",
      ),
      fc.string({ unit: "binary", maxLength: 20 }).map((text) => encodeURIComponent(text.toWellFormed())),
    );
    const method = fc.constantFrom("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS");
    await fc.assert(
      fc.asyncProperty(method, fc.array(segment, { maxLength: 5 }), async (verb, segments) => {
        const { status, json } = await api(`/${segments.join("/")}`, { method: verb, token });
        // An endpoint of the hosted service that is left out says so (left-out.ts).
        if (status === 501) expect(json.message).toMatch(/^not implemented: /);
        else expect(status).toBeLessThan(500);
        if (status >= 400 && json !== undefined) expect(typeof json.message).toBe("string");
      }),
      { numRuns: 600 },
    );
  });

  it("in queries get an answer below 500", async () => {
    const name = fc.oneof(
      fc.constantFrom("fields", "name", "tags", "all", "details", "__proto__"),
      fc.string({ unit: "binary", maxLength: 10 }),
    );
    const text = fc.string({ unit: "binary", maxLength: 30 });
    const path = fc.constantFrom("/tailnet/-/devices", "/tailnet/-/keys", "/tailnet/-/acl", "/device/1");
    await fc.assert(
      fc.asyncProperty(path, fc.array(fc.tuple(name, text), { maxLength: 4 }), async (where, pairs) => {
        const query = pairs
          .map(
            ([key, value]) => `${encodeURIComponent(key.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`,
          )
          .join("&");
        const { status } = await api(`${where}?${query}`, { token });
        expect([200, 400]).toContain(status);
      }),
      { numRuns: 400 },
    );
    expect((await api("/tailnet/-/keys?all=true&all=false", { token })).status).toBeLessThan(500);
    expect((await api("/tailnet/-/acl?details=1&details=2", { token })).status).toBeLessThan(500);
    expect((await api("/device/1?fields=all&fields=x", { token })).status).toBeLessThan(500);
    expect((await api("/device/1?%zz=%zz", { token })).status).toBeLessThan(500);
  });

  it("in credentials are refused with 401", async () => {
    const printable = fc.stringMatching(/^[\x21-\x7e ]{0,60}$/);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("Basic ", "Bearer ", ""), printable, async (scheme, text) => {
        expect((await api("/device/1", { headers: { authorization: scheme + text } })).status).toBe(401);
      }),
      { numRuns: 200 },
    );
  });
});
