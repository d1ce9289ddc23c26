// Issuers whose keys are set through the API: who may set them, what becomes of tokens by it, what stands in the log.
import { exports } from "cloudflare:workers";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { api, ORIGIN, type Person, type Program, person, program, seed } from "./support/api.ts";

const ISSUERS = "/tailnet/-/issuers";
const CLUSTER = "https://kubernetes.default.svc.cluster.local";
const DAY_SECONDS = 86_400;

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
let admin: Person;
let member: Person;
let agent: Program;
let everything: Program;
let pairs: { one: Pair; two: Pair };
let id = "";
let identity: { id: string; audience: string };

const jwk = async (kid: "one" | "two") => ({ ...(await exportJWK(pairs[kid].publicKey)), alg: "ES256", kid });
const setKeys = async (token: string, ...kids: ("one" | "two")[]) => {
  const body = { keys: await Promise.all(kids.map(jwk)) };
  return await api(`${ISSUERS}/${id}/keys`, { method: "PUT", body, token });
};
const health = async () => await (await exports.default.fetch(`${ORIGIN}/health`)).json();
const exchange = async (kid: "one" | "two") => {
  const jwt = await new SignJWT({})
    .setProtectedHeader({ alg: "ES256", kid })
    .setIssuer(CLUSTER)
    .setSubject("system:serviceaccount:tailscale:operator")
    .setAudience(identity.audience)
    .setIssuedAt()
    .setExpirationTime("10m")
    .sign(pairs[kid].privateKey);
  const body = new URLSearchParams({ client_id: identity.id, jwt }).toString();
  const { status, json } = await api("/oauth/token-exchange", { body });
  return [status, json.message ?? json.scope];
};

beforeAll(async () => {
  admin = await person(100, "admin");
  member = await person(101, "member");
  agent = program(["issuer_keys"]);
  everything = program(["all"]);
  await seed(...agent.changes, ...everything.changes);
  const pair = async () => await generateKeyPair("ES256", { extractable: true });
  pairs = { one: await pair(), two: await pair() };
  const rules = { issuer: CLUSTER, subject: "system:serviceaccount:tailscale:*" };
  const body = { keyType: "federated", scopes: ["dns:read"], ...rules };
  identity = (await api("/tailnet/-/keys", { body, token: admin.token })).json;
});

beforeEach(async () => {
  vi.useRealTimers();
  if (id !== "") await api(`${ISSUERS}/${id}`, { method: "DELETE", token: admin.token });
  const body = { issuer: CLUSTER, publishers: [agent.id], keysLifetimeSeconds: DAY_SECONDS };
  const made = await api(ISSUERS, { body, token: admin.token });
  expect(made.status).toBe(200);
  id = made.json.id;
});

describe("an issuer", () => {
  it("is shown with its keys and how long they are good, to those who may set them too", async () => {
    const fresh = { id, issuer: CLUSTER, publishers: [agent.id], keysLifetimeSeconds: DAY_SECONDS };
    expect((await api(`${ISSUERS}/${id}`, { token: admin.token })).json).toEqual({
      ...fresh,
      created: expect.stringMatching(/Z$/),
    });
    const { status, json } = await setKeys(agent.token, "one");
    expect([status, json]).toEqual([
      200,
      {
        ...fresh,
        created: expect.any(String),
        jwks: { keys: [await jwk("one")] },
        keysUpdated: expect.any(String),
        keysConfirmed: json.keysUpdated,
        keysExpire: expect.any(String),
        keysExpired: false,
      },
    ]);
    expect(Date.parse(json.keysExpire) - Date.parse(json.keysConfirmed)).toBe(DAY_SECONDS * 1000);
    for (const token of [agent.token, admin.token, everything.token]) {
      expect((await api(ISSUERS, { token })).json).toEqual({ issuers: [json] });
    }
    expect((await api(ISSUERS, { token: member.token })).status).toBe(403);
  });

  it("does not exist for a program that sets the keys of others", async () => {
    const stranger = program(["issuer_keys"]);
    await seed(...stranger.changes);
    expect((await api(ISSUERS, { token: stranger.token })).json).toEqual({ issuers: [] });
    expect((await api(`${ISSUERS}/${id}`, { token: stranger.token })).status).toBe(404);
    expect((await setKeys(stranger.token, "one")).status).toBe(404);
  });

  it("has keys set by nobody whom it does not name, and by nobody who only reads", async () => {
    expect((await setKeys(everything.token, "one")).status).toBe(403);
    const reader = program(["issuer_keys:read"]);
    await seed(...reader.changes);
    const publishers = [agent.id, reader.id];
    const named = await api(`${ISSUERS}/${id}`, { method: "PATCH", body: { publishers }, token: admin.token });
    expect(named.json.publishers).toEqual(publishers);
    expect((await api(`${ISSUERS}/${id}`, { token: reader.token })).status).toBe(200);
    expect((await setKeys(reader.token, "one")).status).toBe(403);
    expect((await setKeys(member.token, "one")).status).toBe(403);
    expect((await api(`${ISSUERS}/${id}`, { token: admin.token })).json.jwks).toBeUndefined();
  });

  it("is named by nobody but people", async () => {
    const body = { issuer: "https://other.example", publishers: [everything.id] };
    expect((await api(ISSUERS, { body, token: everything.token })).status).toBe(403);
    const taken = { method: "PATCH", body: { publishers: [everything.id] }, token: everything.token };
    expect((await api(`${ISSUERS}/${id}`, taken)).status).toBe(403);
    expect((await api(`${ISSUERS}/${id}`, { method: "DELETE", token: everything.token })).status).toBe(403);
  });

  it.each([
    ["a private key", async () => await exportJWK(pairs.one.privateKey), /key 0 is a private key/],
    ["a shared secret", async () => ({ kty: "oct", k: "c2VjcmV0" }), /key 0 is a shared secret/],
  ])("does not take %s, nor does a single identity", async (_, make, words) => {
    const keys = [await make()];
    const body = { keyType: "federated", scopes: ["dns:read"], issuer: CLUSTER, subject: "*", jwks: { keys } };
    for (const answer of [
      await api(`${ISSUERS}/${id}/keys`, { method: "PUT", body: { keys }, token: agent.token }),
      await api(ISSUERS, { body: { issuer: "https://x.example", jwks: { keys } }, token: admin.token }),
      await api("/tailnet/-/keys", { body, token: admin.token }),
    ]) {
      expect([answer.status, answer.json.message]).toEqual([400, expect.stringMatching(words)]);
    }
  });
});

it("the log tells who set which keys, and nothing of keys that are merely confirmed", async () => {
  const range = () => `start=2020-01-01T00:00:00Z&end=${new Date(Date.now() + 60_000).toISOString()}`;
  const entries = async () => {
    const { json } = await api(`/tailnet/-/logging/configuration?${range()}`, { token: admin.token });
    return json.logs.filter(({ target }: { target: { id: string } }) => target.id === id);
  };
  await setKeys(agent.token, "one");
  await setKeys(agent.token, "one");
  await setKeys(agent.token, "one", "two");
  const told = await entries();
  const who = told.map(({ action, actor }: { action: string; actor: { id: string } }) => [action, actor.id]);
  expect(who.sort()).toEqual([
    ["CREATE", admin.user.stableId],
    ["UPDATE", agent.id],
    ["UPDATE", agent.id],
  ]);
  expect(JSON.stringify(told)).toContain('"keyIds":["one","two"]');
  expect(JSON.stringify(told)).not.toContain((await jwk("one")).x);
});

describe("a token of the issuer", () => {
  it("is believed by the keys that are set, at once, and not by those that were taken away", async () => {
    expect(await exchange("one")).toEqual([401, "jwt: keys of the issuer have not been set yet"]);
    await setKeys(agent.token, "one");
    expect(await exchange("one")).toEqual([200, "dns:read"]);
    expect(await exchange("two")).toEqual([401, "jwt: signed by an unknown key"]);
    await setKeys(agent.token, "one", "two");
    expect([await exchange("one"), await exchange("two")]).toEqual([
      [200, "dns:read"],
      [200, "dns:read"],
    ]);
    await setKeys(agent.token, "two");
    expect(await exchange("one")).toEqual([401, "jwt: signed by an unknown key"]);
    expect((await exchange("two"))[0]).toBe(200);
  });

  it("is not believed once nobody has set the keys for too long, which the API tells", async () => {
    await setKeys(agent.token, "one");
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + (DAY_SECONDS - 1) * 1000);
    expect((await exchange("one"))[0]).toBe(200);
    vi.setSystemTime(Date.now() + 2_000);
    expect(await exchange("one")).toEqual([401, expect.stringMatching(/^jwt: keys of the issuer have expired \(/)]);
    const { token } = await person(103, "admin"); // the others' tokens are over
    const shown = (await api(`${ISSUERS}/${id}`, { token })).json;
    expect(shown).toMatchObject({ keysExpired: true, jwks: { keys: [{ kid: "one" }] } });
    const ill = await health();
    expect(ill).toMatchObject({ status: "warn", notes: [expect.stringMatching(`the issuer ${id} have expired`)] });
    expect(JSON.stringify(ill)).not.toContain(CLUSTER); // everybody may read it
    expect((await setKeys(token, "one")).json).toMatchObject({ keysExpired: false });
    expect(await health()).toEqual({ status: "pass" });
    expect((await exchange("one"))[0]).toBe(200);
  });
});
