// Identity tokens inside workerd: a node gets one over Noise, and whoever knows the issuer's URL alone can verify it.
import { env, exports } from "cloudflare:workers";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { administrationOf } from "../../worker/middleware/tailnet-for.ts";
import { fromUtf8 } from "../../worker/protocol/bytes.ts";
import { TOKEN_AUDIENCE_MAX, TOKEN_RATE } from "../../worker/protocol/limits.ts";
import { actorOf } from "../../worker/tailnet/entities/actor.ts";
import type { ControlClient } from "../support/control-client.ts";
import { connect, device, evict, join, theOwner } from "./support/tailnet.ts";

type Json = Record<string, unknown>;

const ISSUER = "http://control.test"; // where the client under test connects to
const laptop = device(1);
let client: ControlClient;
let self: Json;

beforeAll(async () => {
  const joined = await join(laptop, "laptop", { beforeSend: evict });
  client = joined.client;
  self = joined.first.Node as Json;
});

afterEach(() => {
  vi.useRealTimers();
});

async function ask(from: ControlClient, body: Json): Promise<{ status: number | undefined; text: string }> {
  const response = await from.response(await from.request("POST", "/machine/id-token", { CapVersion: 133, ...body }));
  return { status: response.status, text: fromUtf8(response.body) };
}

const document = async (path: string) =>
  await (await exports.default.fetch(`${ISSUER}/.well-known/${path}`)).json<Json>();

async function verified(text: string, audience: string): Promise<Json> {
  const keys = createLocalJWKSet((await document("jwks.json")) as unknown as JSONWebKeySet);
  const token = (JSON.parse(text) as { id_token: string }).id_token;
  const options = { issuer: ISSUER, audience, algorithms: ["RS256"] };
  return (await jwtVerify(token, keys, options)).payload;
}

describe("an identity token", () => {
  it("says who the node is, and is verified by the published documents, through evictions", async () => {
    const { status, text } = await ask(client, { NodeKey: laptop.nodeKey, Audience: " https://sts.example.com " });
    expect(status).toBe(200);
    await evict();
    const claims = await verified(text, "https://sts.example.com");
    const user = await theOwner();
    expect(claims).toEqual({
      iss: ISSUER,
      sub: "laptop.tail.internal",
      aud: "https://sts.example.com",
      iat: expect.any(Number),
      nbf: Number(claims.iat) - 30,
      exp: Number(claims.iat) + 600,
      jti: expect.stringMatching(/^[0-9a-f]{32}$/),
      key: laptop.nodeKey,
      addresses: (self.Addresses as string[]).map((prefix) => prefix.replace(/\/.*/, "")),
      nid: self.ID,
      node: "laptop.tail.internal",
      domain: "flarescale",
      user: "flarescale:ann@example.com",
      uid: user.id,
    });
  });

  it("is found from the issuer's URL alone", async () => {
    const configuration = await document("openid-configuration");
    expect(configuration).toMatchObject({
      issuer: ISSUER,
      jwks_uri: `${ISSUER}/.well-known/jwks.json`,
      id_token_signing_alg_values_supported: ["RS256"],
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
    });
    const { keys } = (await document("jwks.json")) as { keys: Json[] };
    expect(keys.map((key) => Object.keys(key).sort())).toEqual([["alg", "e", "kid", "kty", "n", "use"]]);
    const { headers } = await exports.default.fetch(String(configuration.jwks_uri));
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("cache-control")).toContain("max-age");
  });

  it("names the tags of a tagged node, and no user", async () => {
    const administration = administrationOf(env, actorOf(await theOwner()));
    const policy = JSON.stringify({ tagOwners: { "tag:ci": [], "tag:web": [] } });
    expect(await administration.policyFile.set(policy, "*")).toMatchObject({ ok: true });
    const tagged = device(2);
    const joined = await join(tagged, "runner");
    const { ID } = joined.first.Node as { ID: number };
    expect(
      await administration.devices.change(String(ID), { type: "tag", tags: ["tag:ci", "tag:web"] }, null),
    ).toMatchObject({ ok: true });
    const claims = await verified((await ask(joined.client, { NodeKey: tagged.nodeKey, Audience: "a" })).text, "a");
    expect(claims.tags).toEqual(["flarescale:tag:ci", "flarescale:tag:web"]);
    expect(Object.keys(claims)).not.toContain("user");
    expect(Object.keys(claims)).not.toContain("uid");
  });

  it("is not given to another machine, to a node that is not served, or for no audience", async () => {
    const stranger = await connect(device(3));
    expect(await ask(stranger, { NodeKey: laptop.nodeKey, Audience: "a" })).toMatchObject({ status: 404 });
    const long = "a".repeat(TOKEN_AUDIENCE_MAX + 1);
    for (const Audience of [undefined, "", "  ", 7, long]) {
      expect(await ask(client, { NodeKey: laptop.nodeKey, Audience })).toMatchObject({ status: 400 });
    }
    const other = device(4);
    const joined = await join(other, "other");
    const { ID } = joined.first.Node as { ID: number };
    await administrationOf(env, actorOf(await theOwner())).devices.change(
      String(ID),
      { type: "authorize", isAuthorized: false },
      null,
    );
    expect(await ask(joined.client, { NodeKey: other.nodeKey, Audience: "a" })).toMatchObject({ status: 403 });
  });

  it("is limited in number, for each machine apart", async () => {
    const flooder = device(5);
    const joined = await join(flooder, "flooder");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() }); // nothing is refilled meanwhile
    const asks = Array.from({ length: TOKEN_RATE.burst + 3 }, () =>
      joined.client.request("POST", "/machine/id-token", { NodeKey: flooder.nodeKey, Audience: "a" }),
    );
    const answers = await Promise.all((await Promise.all(asks)).map((stream) => joined.client.response(stream)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(TOKEN_RATE.burst);
    const refused = answers.find(({ status }) => status === 429);
    expect(Number(refused?.headers.find(([name]) => name === "retry-after")?.[1])).toBeGreaterThan(0);
    expect((await ask(client, { NodeKey: laptop.nodeKey, Audience: "a" })).status).toBe(200);
  });
});
