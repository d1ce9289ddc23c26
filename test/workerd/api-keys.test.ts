// Keys through the public API: shapes, rules, who sees which, and revoking.
import { beforeAll, describe, expect, it } from "vitest";
import { api, type Person, person, policyPut, seed } from "./support/api.ts";

const KEYS = "/tailnet/-/keys";
const NINETY_DAYS = 7_776_000;

let admin: Person;
let auditor: Person;
let member: Person;

beforeAll(async () => {
  admin = await person(100, "admin");
  auditor = await person(101, "auditor");
  member = await person(102, "member");
  const text = JSON.stringify({ tagOwners: { "tag:web": [], "tag:mine": [member.user.loginName] } });
  await seed(policyPut(text));
});

const create = async (create: unknown = {}, more: Record<string, unknown> = {}, by = admin) =>
  await api(KEYS, { body: { capabilities: { devices: { create } }, ...more }, token: by.token });
const get = async (id: string, by = admin) => await api(`${KEYS}/${id}`, { token: by.token });
const remove = async (id: string, by = admin) => await api(`${KEYS}/${id}`, { method: "DELETE", token: by.token });
const listed = async (query = "", by = admin): Promise<string[]> =>
  (await api(`${KEYS}${query}`, { token: by.token })).json.keys.map((key: { id: string }) => key.id);

describe("making an auth key", () => {
  it("answers 200 with the key itself and exactly these fields", async () => {
    const { status, json } = await create({ reusable: true, ephemeral: true, preauthorized: true, tags: ["tag:web"] });
    expect(status).toBe(200);
    expect(json).toEqual({
      id: expect.stringMatching(/^k[0-9A-Za-z]{9,12}CNTRL$/),
      key: expect.stringMatching(/^tskey-auth-k[0-9A-Za-z]{9,12}CNTRL-[0-9A-Za-z]{32}$/),
      keyType: "auth",
      expirySeconds: NINETY_DAYS,
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      capabilities: {
        devices: { create: { reusable: true, ephemeral: true, preauthorized: true, tags: ["tag:web"] } },
      },
      userId: admin.user.stableId,
    });
    expect(json.key.split("-")[2]).toBe(json.id);
    expect(Date.parse(json.expires) - Date.parse(json.created)).toBe(NINETY_DAYS * 1000);
  });

  it("omits tags and description when there are none, and shows the key never again", async () => {
    const { json } = await create();
    expect(json.capabilities.devices.create).toEqual({ reusable: false, ephemeral: false, preauthorized: false });
    const { key, ...rest } = json;
    expect((await get(json.id)).json).toEqual(rest);
    expect((await api(KEYS, { token: admin.token })).text).not.toContain(key);
  });

  it.each([
    [{ expirySeconds: 0 }, NINETY_DAYS],
    [{ expirySeconds: null }, NINETY_DAYS],
    [{ expirySeconds: 1 }, 1],
    [{ expirySeconds: NINETY_DAYS }, NINETY_DAYS],
  ])("lives as long as asked: %j", async (more, seconds) => {
    const { json } = await create({}, more);
    expect(json.expirySeconds).toBe(seconds);
    expect(Date.parse(json.expires) - Date.parse(json.created)).toBe(seconds * 1000);
  });

  it("takes what clients send: null members, an explicit type, a description, no content type", async () => {
    const capabilities = { devices: { create: { reusable: null, tags: null } } };
    const body = JSON.stringify({
      capabilities,
      keyType: "auth",
      expirySeconds: 0,
      description: "CI key-1",
      colour: 1,
    });
    const answer = await api(KEYS, { method: "POST", body: new TextEncoder().encode(body), token: admin.token });
    expect([answer.status, answer.json.description]).toEqual([200, "CI key-1"]);
    expect((await api(KEYS, { body: { capabilities: { devices: {} } }, token: admin.token })).status).toBe(200);
  });

  it.each([
    [{}, 400, "capabilities.devices: required"],
    [{ capabilities: null }, 400, "capabilities.devices: required"],
    [{ capabilities: {} }, 400, "capabilities.devices: Invalid input: expected object, received undefined"],
    [{ keyType: "api" }, 400, "API access tokens can not be made through the API"],
    [{ keyType: "none" }, 400, /^keyType: /],
    [{ expirySeconds: -1, capabilities: { devices: {} } }, 400, /^expirySeconds: /],
    [{ expirySeconds: NINETY_DAYS + 1, capabilities: { devices: {} } }, 400, /^expirySeconds: /],
    [{ expirySeconds: 1.5, capabilities: { devices: {} } }, 400, /^expirySeconds: /],
    [{ expirySeconds: "90", capabilities: { devices: {} } }, 400, /^expirySeconds: /],
    [{ description: "x".repeat(51), capabilities: { devices: {} } }, 400, /^description: at most 50/],
    [{ description: "<b>", capabilities: { devices: {} } }, 400, /^description: at most 50/],
    [{ capabilities: { devices: { create: { reusable: "yes" } } } }, 400, /^capabilities\.devices\.create\.reusable: /],
    [
      { capabilities: { devices: { create: { tags: ["tag:none", "tag:web"] } } } },
      400,
      "requested tags [tag:none] are invalid or not permitted",
    ],
    [[], 400, /^body: /],
    ["7", 400, /^body: /],
    ["{", 400, "Malformed JSON in request body"],
  ])("refuses %j with %i", async (body, status, message) => {
    const before = await listed("?all=true");
    const answer = await api(KEYS, { body, token: admin.token });
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual({ message: typeof message === "string" ? message : expect.stringMatching(message) });
    expect(await listed("?all=true")).toEqual(before);
  });

  it("is open to members for themselves, with tags that they own and without device approval", async () => {
    expect((await create({}, {}, member)).json.userId).toBe(member.user.stableId);
    expect((await create({ tags: ["tag:mine"] }, {}, member)).status).toBe(200);
    expect((await create({ tags: ["tag:web"] }, {}, member)).status).toBe(400);
    expect((await create({ preauthorized: true }, {}, member)).status).toBe(403);
  });
});

describe("listing keys", () => {
  it("holds the caller's own, newest first, or everybody's with all=true", async () => {
    const mine = (await create()).json.id;
    const theirs = (await create({}, {}, member)).json.id;
    expect((await listed())[0]).toBe(mine);
    expect(await listed()).not.toContain(theirs);
    expect(await listed()).toContain(admin.tokenId);
    for (const query of ["?all=true", "?all=1"]) {
      expect((await listed(query)).slice(0, 2)).toEqual([theirs, mine]);
      expect(await listed(query, auditor)).toEqual(
        expect.arrayContaining([theirs, mine, admin.tokenId, member.tokenId]),
      );
    }
    expect(await listed("?all=false")).not.toContain(theirs);
    expect(await listed("?all=true", member)).toContain(theirs);
    expect(await listed("?all=true", member)).not.toContain(mine);
    expect(await listed("?all=true", member)).not.toContain(admin.tokenId);
  });

  it("leaves out keys that are revoked, expired or used up", async () => {
    const base = {
      hash: "",
      description: "",
      userId: 100,
      isReusable: false,
      isEphemeral: false,
      isPreauthorized: false,
      tags: [],
    };
    const past = Date.now() - 1_000;
    const spare = { ...base, createdAt: past, expiresAt: Date.now() + 60_000, revokedAt: null, usedAt: null };
    await seed(
      { type: "auth-key-put", key: { ...spare, id: "kRevoked0001CNTRL", revokedAt: past } },
      { type: "auth-key-put", key: { ...spare, id: "kExpired0001CNTRL", expiresAt: past } },
      { type: "auth-key-put", key: { ...spare, id: "kUsed0000001CNTRL", usedAt: past } },
      { type: "auth-key-put", key: { ...spare, id: "kReusable001CNTRL", usedAt: past, isReusable: true } },
    );
    const ids = await listed();
    expect(ids).toContain("kReusable001CNTRL");
    for (const id of ["kRevoked0001CNTRL", "kExpired0001CNTRL", "kUsed0000001CNTRL"]) {
      expect(ids).not.toContain(id);
      expect((await get(id)).json.invalid).toBe(true);
    }
    expect((await get("kReusable001CNTRL")).json).not.toHaveProperty("invalid");
    expect((await get("kExpired0001CNTRL")).json).not.toHaveProperty("revoked");
  });

  it("shows API tokens without capabilities", async () => {
    const { json } = await get(admin.tokenId);
    expect(json).toEqual({
      id: admin.tokenId,
      keyType: "api",
      expirySeconds: expect.any(Number),
      created: expect.any(String),
      expires: expect.any(String),
      userId: admin.user.stableId,
    });
  });
});

describe("revoking a key", () => {
  it("keeps it readable, marked invalid with its time, however often", async () => {
    const { id } = (await create()).json;
    for (let i = 0; i < 2; i++) expect(await remove(id)).toMatchObject({ status: 200, text: "{}" });
    const { json } = await get(id);
    expect(json.invalid).toBe(true);
    expect(Math.abs(Date.now() - Date.parse(json.revoked))).toBeLessThan(5_000);
    expect(await listed("?all=true")).not.toContain(id);
  });

  it("is for owners, and for those who may change everybody's", async () => {
    const theirs = (await create({}, {}, member)).json.id;
    const mine = (await create()).json.id;
    expect((await remove(mine, auditor)).status).toBe(403);
    expect(await remove(mine, member)).toMatchObject({ status: 404, json: { message: "key not found" } });
    expect((await get(mine, member)).status).toBe(404);
    expect((await get(mine)).json).not.toHaveProperty("invalid");
    expect((await remove(theirs)).status).toBe(200);
    expect((await get(theirs, member)).json.invalid).toBe(true);
  });

  it("does not let an IT administrator revoke the token of an owner", async () => {
    const helper = await person(110, "it-admin");
    expect((await get(admin.tokenId, helper)).status).toBe(200);
    expect((await remove(admin.tokenId, helper)).status).toBe(403);
    expect((await remove(helper.tokenId, helper)).status).toBe(200);
    expect((await get(helper.tokenId, helper)).status).toBe(401);
  });

  it.each(["kUnknown1234CNTRL", "7", "-", "kUnknown%2FCNTRL", "__proto__", "tskey-auth-x", "%00"])(
    "does not know %s",
    async (id) => {
      expect(await get(id)).toMatchObject({ status: 404, json: { message: "key not found" } });
      expect(await remove(id)).toMatchObject({ status: 404, json: { message: "key not found" } });
    },
  );
});
