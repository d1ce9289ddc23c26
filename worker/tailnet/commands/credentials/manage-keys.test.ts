import { beforeEach, describe, expect, it } from "vitest";
import { DAY, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { hashSecret, matchesHash, splitToken } from "../../entities/secret-token.ts";
import { FIRST_USER_ID, type User } from "../../entities/user.ts";
import { userByLogin } from "../../tailnet.ts";
import { bootstrap, createApiToken, createAuthKey, createUser, revokeKey } from "./manage-keys.ts";

const SPEC = {
  isReusable: true,
  isEphemeral: true,
  isPreauthorized: true,
  tags: [],
  lifetimeMs: DAY,
  description: "ci",
};

let t: TestTailnet;
let ann: User;

beforeEach(() => {
  t = new TestTailnet({ policy: '{ "tagOwners": { "tag:a": ["ann@example.com"], "tag:b": ["ann@example.com"] } }' });
  ann = t.user("ann");
});

describe("createAuthKey", () => {
  it("stores what the key may do and a hash of its secret, and tells the text once", () => {
    const { key, text } = t.run(createAuthKey(t.tailnet, SPEC, t.contextOf(ann)));
    const secret = splitToken("auth", text)?.secret ?? "";
    expect(t.tailnet.authKeys.get(key.id)).toBe(key);
    expect(JSON.stringify(t.changes)).not.toContain(secret);
    expect(matchesHash(secret, key.hash)).toBe(true);
    const { lifetimeMs, ...kept } = SPEC;
    expect(key).toMatchObject({
      ...kept,
      userId: ann.id,
      createdAt: t.now,
      expiresAt: t.now + lifetimeMs,
      usedAt: null,
    });
  });

  it("sorts tags and refuses those that the user does not own", () => {
    const tags = (...wanted: string[]) => createAuthKey(t.tailnet, { ...SPEC, tags: wanted }, t.contextOf(ann));
    expect(t.run(tags("tag:b", "tag:a", "tag:b")).key.tags).toEqual(["tag:a", "tag:b"]);
    expect(t.refusal(tags("tag:a", "tag:c"))).toEqual({ reason: "tags-not-permitted", tags: ["tag:c"] });
  });
});

describe("revokeKey", () => {
  it("revokes auth keys and API tokens, the first time for good", () => {
    const { key } = t.run(createAuthKey(t.tailnet, SPEC, t.contextOf(ann)));
    const { token } = t.run(createApiToken(ann, "", t.context));
    const revokedAt = t.now;
    for (let i = 0; i < 2; i++) {
      for (const id of [key.id, token.id]) t.run(revokeKey(t.tailnet, id, t.now));
      t.now += DAY;
    }
    expect(t.tailnet.authKeys.get(key.id)?.revokedAt).toBe(revokedAt);
    expect(t.tailnet.apiTokens.get(token.id)?.revokedAt).toBe(revokedAt);
  });

  it("does not know other ids", () => {
    expect(t.refusal(revokeKey(t.tailnet, "kxCNTRL", t.now))).toEqual({ reason: "not-found", what: "key" });
  });
});

describe("createUser", () => {
  it("numbers users and keeps login names in lower case", () => {
    const user = t.run(createUser(t.tailnet, "Bob.B@Example.com", "auditor", t.context));
    expect(user).toMatchObject({
      id: FIRST_USER_ID + 1,
      loginName: "bob.b@example.com",
      displayName: "Bob.B",
      role: "auditor",
    });
    expect(user.stableId).toMatch(/^u[0-9A-Za-z]{11}CNTRL$/);
    expect(userByLogin(t.tailnet, "BOB.B@example.com")).toBe(user);
  });

  it("makes no second user of a login name, however it is spelt", () => {
    const again = createUser(t.tailnet, "ANN@example.com", "member", t.context);
    expect(t.refusal(again)).toEqual({ reason: "conflict", detail: "user exists already" });
  });

  it.each(["", "ann", "@example.com", "ann@", "a nn@example.com", "a@b@c", `${"a".repeat(65)}@example.com`])(
    "refuses %j",
    (loginName) => {
      expect(t.refusal(createUser(t.tailnet, loginName, "member", t.context)).reason).toBe("invalid");
    },
  );
});

describe("bootstrap", () => {
  it("makes the owner of an empty tailnet with an API token, once", () => {
    t = new TestTailnet();
    const { user, text } = t.run(bootstrap(t.tailnet, "ann@example.com", t.context));
    expect(t.tailnet.users.get(user.id)).toMatchObject({ role: "owner", loginName: "ann@example.com" });
    expect(t.tailnet.apiTokens.get(splitToken("api", text)?.id ?? "")?.userId).toBe(user.id);
    expect(t.refusal(bootstrap(t.tailnet, "bob@example.com", t.context)).reason).toBe("conflict");
  });

  it("takes a token that its caller made, and no other text", () => {
    const t = new TestTailnet();
    const text = `tskey-api-k${"A".repeat(11)}CNTRL-${"b".repeat(32)}`;
    for (const wrong of ["", "secret", text.slice(0, -1), `${text}b`, text.replace("api", "auth")]) {
      expect(t.refusal(bootstrap(t.tailnet, "ann@example.com", t.context, wrong)).reason).toBe("invalid");
    }
    expect(t.run(bootstrap(t.tailnet, "ann@example.com", t.context, text)).text).toBe(text);
    expect([...t.tailnet.apiTokens.values()]).toMatchObject([
      { id: `k${"A".repeat(11)}CNTRL`, hash: hashSecret("b".repeat(32)) },
    ]);
  });
});
