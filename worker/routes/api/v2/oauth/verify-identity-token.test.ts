import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { JWKS_MAX } from "../../../../protocol/limits.ts";
import type { Issuer } from "../../../../tailnet/entities/configuration/issuer.ts";
import type { Federation } from "../../../../tailnet/entities/trust-credential.ts";
import { IssuerKeys, isOutside } from "./issuer-keys.ts";
import { verifyIdentityToken } from "./verify-identity-token.ts";

const ISSUER = "https://issuer.example.com/realm";
const NOW = 1_800_000_000;
type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

const pairs = new Map<string, Pair>();
let ours: Pair;
let theirs: Pair;
let published: { keys: unknown[] };
let pinned: Federation;

const rules = { issuer: ISSUER, subject: "repo:acme/*", audience: "flarescale", customClaimRules: {}, jwks: null };
const claims: JWTPayload = { iss: ISSUER, sub: "repo:acme/web", aud: "flarescale", exp: NOW + 300, iat: NOW };

beforeAll(async () => {
  for (const alg of ["RS256", "PS512", "ES256", "ES384", "EdDSA"]) {
    pairs.set(alg, await generateKeyPair(alg, { extractable: true }));
  }
  ours = pairs.get("ES256") as Pair;
  theirs = await generateKeyPair("ES256", { extractable: true });
  const keys = [...pairs].map(async ([alg, { publicKey }]) => ({ ...(await exportJWK(publicKey)), alg, kid: alg }));
  published = { keys: await Promise.all(keys) };
  pinned = { ...rules, jwks: JSON.stringify(published) };
});

const sign = async (payload: JWTPayload, { privateKey }: Pair = ours, alg = "ES256") =>
  await new SignJWT(payload).setProtectedHeader({ alg, kid: alg }).sign(privateKey);
const noKeys = new IssuerKeys(() => Promise.reject(new Error("must not be asked")));
const verify = async (
  token: string,
  federation: Partial<Federation> = {},
  keys = noKeys,
  issuer: Issuer | null = null,
) => await verifyIdentityToken({ federation: { ...pinned, ...federation }, issuer }, token, keys, new Date(NOW * 1000));
const problem = async (...args: Parameters<typeof verify>) => {
  const result = await verify(...args);
  return result.ok ? "" : result.problem;
};

describe("a token is believed", () => {
  it.each(["RS256", "PS512", "ES256", "ES384", "EdDSA"])("with a signature by %s", async (alg) => {
    expect(await verify(await sign(claims, pairs.get(alg), alg))).toEqual({ ok: true, subject: "repo:acme/web" });
  });

  it("for one of several audiences, and within a minute of leeway", async () => {
    const token = await sign({ ...claims, aud: ["other", "flarescale"], nbf: NOW + 59, iat: NOW + 59, exp: NOW - 59 });
    expect(await verify(token)).toEqual({ ok: true, subject: "repo:acme/web" });
  });

  it("when each claim rule is met: by text, number, truth value or any of a list", async () => {
    const token = await sign({ ...claims, ref: "refs/heads/main", run: 17, trusted: true, groups: ["dev", "ops"] });
    const customClaimRules = { ref: "refs/heads/*", run: "17", trusted: "true", groups: "ops" };
    expect(await verify(token, { customClaimRules })).toMatchObject({ ok: true });
  });
});

describe("a token is not believed", () => {
  it.each([
    ["malformed", "a.b", "jwt: malformed"],
    ["empty", "", "jwt: malformed"],
  ])("that is %s", async (_, token, text) => {
    expect(await problem(token)).toBe(text);
  });

  it.each([
    ["of another issuer", { iss: `${ISSUER}/` }, "jwt: unexpected issuer"],
    ["for another audience", { aud: "other" }, 'jwt: claim "aud" is missing or not as it must be'],
    ["about another subject", { sub: "repo:evil/acme" }, "jwt: subject does not match"],
    ["that has expired", { exp: NOW - 61 }, "jwt: expired"],
    ["that does not expire", { exp: undefined }, 'jwt: claim "exp" is missing or not as it must be'],
    ["about nobody", { sub: undefined }, 'jwt: claim "sub" is missing or not as it must be'],
    ["that is not valid yet", { nbf: NOW + 61 }, 'jwt: claim "nbf" is missing or not as it must be'],
    ["that was issued in the future", { iat: NOW + 61 }, "jwt: issued in the future"],
  ])("%s", async (_, changed, text) => {
    expect(await problem(await sign({ ...claims, ...changed } as JWTPayload))).toBe(text);
  });

  it("signed by another key, by none, or by the public key as a shared secret", async () => {
    expect(await problem(await sign(claims, theirs))).toBe("jwt: signature or form is invalid");
    const part = (value: object) => btoa(JSON.stringify(value)).replaceAll("=", "");
    expect(await problem(`${part({ alg: "none" })}.${part(claims)}.`)).toMatch(/^jwt: /);
    const shared = new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "ES256" });
    const forged = await shared.sign(new TextEncoder().encode(JSON.stringify(published.keys[2])));
    expect(await problem(forged)).toBe("jwt: algorithm is not allowed");
  });

  it.each([
    ["is missing", {}],
    ["differs", { ref: "main" }],
    ["is an object", { ref: { name: "refs/heads/main" } }],
    ["is a list of lists", { ref: [["refs/heads/main"]] }],
    ["is null", { ref: null }],
  ])("when the claim of a rule %s", async (_, extra) => {
    const token = await sign({ ...claims, ...extra });
    expect(await problem(token, { customClaimRules: { ref: "refs/heads/main" } })).toBe(
      'jwt: claim "ref" does not match',
    );
  });
});

describe("keys that an issuer publishes", () => {
  const unpinned = { jwks: null };

  /** An issuer as it answers over the network, and what it was asked. */
  function issuer(answers: Record<string, (() => Response) | undefined> = {}) {
    const asked: string[] = [];
    let now = 0;
    const keys = new IssuerKeys(
      (url) => {
        asked.push(url);
        const answer = answers[url];
        if (answer !== undefined) return Promise.resolve(answer());
        const body = url.endsWith("/jwks") ? published : { issuer: ISSUER, jwks_uri: "https://keys.example.com/jwks" };
        return Promise.resolve(Response.json(body));
      },
      () => now,
    );
    return { keys, asked, pass: (ms: number) => (now += ms) };
  }
  const CONFIGURATION = `${ISSUER}/.well-known/openid-configuration`;

  it("are found by discovery and kept for an hour", async () => {
    const { keys, asked, pass } = issuer();
    const token = await sign(claims);
    expect(await verify(token, unpinned, keys)).toMatchObject({ ok: true });
    pass(3_599_000);
    expect(await verify(token, unpinned, keys)).toMatchObject({ ok: true });
    expect(asked).toEqual([CONFIGURATION, "https://keys.example.com/jwks"]);
    pass(1_000);
    await verify(token, unpinned, keys);
    expect(asked).toHaveLength(4);
  });

  it("are asked for anew for a key that is not known, at most once a minute", async () => {
    const { keys, asked, pass } = issuer();
    const token = await new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: "new" }).sign(theirs.privateKey);
    for (let i = 0; i < 3; i++) expect(await problem(token, unpinned, keys)).toBe("jwt: signed by an unknown key");
    expect(asked).toHaveLength(2);
    pass(60_000);
    published.keys.push({ ...(await exportJWK(theirs.publicKey)), alg: "ES256", kid: "new" });
    expect(await verify(token, unpinned, keys)).toMatchObject({ ok: true });
    expect(asked).toHaveLength(4);
  });

  it("of a foreign issuer are never asked for", async () => {
    const { keys, asked } = issuer();
    await verify(await sign({ ...claims, iss: "https://evil.example.com" }), unpinned, keys);
    expect(asked).toEqual([]);
  });

  it.each([
    ["redirects", () => Response.redirect("https://elsewhere.example.com/"), "issuer answers with status 302"],
    ["fails", () => new Response("no", { status: 500 }), "issuer answers with status 500"],
    ["is no JSON", () => new Response("<html>"), "issuer does not answer with a JSON object"],
    ["is a list", () => Response.json([]), "issuer does not answer with a JSON object"],
    ["is too long", () => new Response("x".repeat(JWKS_MAX + 1)), "issuer answers with too much"],
    [
      "is another's",
      () => Response.json({ issuer: "https://x.example.com" }),
      "issuer publishes another issuer's configuration",
    ],
    ["has no keys", () => Response.json({ issuer: ISSUER }), "issuer publishes no keys"],
    [
      "leads inside",
      () => Response.json({ issuer: ISSUER, jwks_uri: "https://169.254.169.254/latest" }),
      "issuer has an address that may not be asked",
    ],
  ])("are not taken from a configuration that %s; the next token asks again", async (_, answer, text) => {
    const answers: Record<string, (() => Response) | undefined> = { [CONFIGURATION]: answer };
    const { keys } = issuer(answers);
    expect(await problem(await sign(claims), unpinned, keys)).toBe(`jwt: ${text}`);
    delete answers[CONFIGURATION];
    expect(await verify(await sign(claims), unpinned, keys)).toMatchObject({ ok: true });
  });

  it.each([
    ["https://issuer.example.com/x", true],
    ["http://issuer.example.com/x", false],
    ["https://10.0.0.1/", false],
    ["https://0x7f000001/", false],
    ["https://[::1]/", false],
    ["https://[fd7a:115c:a1e0::1]/", false],
    ["https://localhost/", false],
    ["https://kubernetes.default.svc.cluster.local./", false],
    ["https://metadata.google.internal/", false],
    ["https://intranet/", false],
    ["https://user@issuer.example.com/", false],
    ["file:///etc/passwd", false],
    ["nothing", false],
  ])("may be asked for at %s: %s", (address, isAllowed) => {
    expect(isOutside(address)).toBe(isAllowed);
  });
});

describe("keys that are given for an issuer", () => {
  const unpinned = { jwks: null };
  const day = 86_400_000;
  const given = (more: Partial<Issuer> = {}): Issuer => ({
    ...{ id: "i", issuer: ISSUER, publishers: [], keysLifetimeMs: day, createdAt: 0 },
    ...{ jwks: JSON.stringify(published), keysChangedAt: 0, keysConfirmedAt: NOW * 1000 - day + 1 },
    ...more,
  });

  it("are believed alone: the issuer is never asked", async () => {
    expect(await verify(await sign(claims), unpinned, noKeys, given())).toMatchObject({ ok: true });
    expect(await problem(await sign(claims, theirs), unpinned, noKeys, given())).toBe(
      "jwt: signature or form is invalid",
    );
  });

  it("give way to those that are pinned to an identity", async () => {
    const others = given({ jwks: JSON.stringify({ keys: [] }) });
    expect(await verify(await sign(claims), {}, noKeys, others)).toMatchObject({ ok: true });
  });

  it("are not believed before they were set, and once nobody sets them again", async () => {
    const none = given({ jwks: null, keysConfirmedAt: null });
    expect(await problem(await sign(claims), unpinned, noKeys, none)).toBe(
      "jwt: keys of the issuer have not been set yet",
    );
    const stale = given({ keysConfirmedAt: NOW * 1000 - day });
    expect(await problem(await sign(claims), unpinned, noKeys, stale)).toBe(
      "jwt: keys of the issuer have expired (2027-01-15T08:00:00Z): nobody has set them again in time",
    );
  });
});
