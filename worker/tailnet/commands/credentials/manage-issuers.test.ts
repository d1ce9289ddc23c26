import { beforeEach, describe, expect, it } from "vitest";
import { DAY, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { ISSUERS_MAX } from "../../../protocol/limits.ts";
import type { Actor } from "../../entities/actor.ts";
import type { User } from "../../entities/user.ts";
import { createCredential, replaceCredential } from "./manage-credentials.ts";
import { createIssuer, deleteIssuer, type IssuerSpec, setIssuerKeys, updateIssuer } from "./manage-issuers.ts";
import { revokeKey } from "./manage-keys.ts";

const KEYS = '{"keys":[{"kid":"one"}]}';
const CLUSTER = "https://kubernetes.default.svc.cluster.local";

let t: TestTailnet;
let ann: User;
let agent: Actor;
let other: Actor;

/** An OAuth client with a token that holds all it may. */
function client(...scopes: string[]): Actor & { credentialId: string } {
  const spec = { description: "", scopes, tags: [], federation: null };
  const { credential } = t.run(createCredential(t.tailnet, spec, () => "", t.contextOf(ann)));
  const { id: credentialId } = credential;
  const common = { kind: "credential", type: "client", description: "", tokenId: "", tags: [] } as const;
  return { ...common, credentialId, scopes };
}

const as = (actor: Actor) => ({ ...t.contextOf(ann), actor });
const spec = (more: Partial<IssuerSpec> = {}): IssuerSpec => {
  const publishers = agent.kind === "credential" ? [agent.credentialId] : [];
  return { issuer: CLUSTER, publishers, keysLifetimeMs: DAY, jwks: null, ...more };
};
const create = (more: Partial<IssuerSpec> = {}) => createIssuer(t.tailnet, spec(more), t.contextOf(ann));

beforeEach(() => {
  t = new TestTailnet();
  ann = t.user("ann");
  agent = client("issuer_keys");
  other = client("all");
});

describe("an issuer", () => {
  it("is made by a person, with keys or without", () => {
    const without = t.run(create());
    expect(without).toMatchObject({ issuer: CLUSTER, jwks: null, keysChangedAt: null, keysConfirmedAt: null });
    expect(without.id).toMatch(/^i[0-9A-Za-z]{11}CNTRL$/);
    const keyed = t.run(create({ issuer: "https://other.example", jwks: KEYS }));
    expect(keyed).toMatchObject({ jwks: KEYS, keysChangedAt: t.now, keysConfirmedAt: t.now });
    expect([...t.tailnet.records.issuers.values()]).toEqual([without, keyed]);
  });

  it("is not made, changed or removed by a program, whatever that may do", () => {
    const { id } = t.run(create());
    for (const decision of [
      createIssuer(t.tailnet, spec({ issuer: "https://x.example" }), as(other)),
      updateIssuer(t.tailnet, id, { publishers: [] }, as(other)),
      updateIssuer(t.tailnet, id, { publishers: [] }, as(agent)),
      deleteIssuer(t.tailnet, id, as(other)),
    ]) {
      expect(t.refusal(decision)).toEqual({ reason: "forbidden" });
    }
  });

  it.each([
    [{ issuer: "http://x.example" }, "issuer must be an https URL"],
    [{ issuer: "https://x.example?a" }, "issuer must be an https URL"],
    [{ issuer: `https://x.example/${"a".repeat(1_024)}` }, "issuer is too long"],
    [{ publishers: ["kUnknownCNTRL"] }, 'publishers: "kUnknownCNTRL" is no OAuth client or federated identity'],
  ])("is refused as %j", (more, detail) => {
    expect(t.refusal(create(more))).toEqual({ reason: "invalid", detail });
  });

  it("is one for each name, and has no publisher that was revoked", () => {
    t.run(create());
    expect(t.refusal(create())).toEqual({ reason: "conflict", detail: "the issuer exists already" });
    const gone = client("issuer_keys");
    t.run(revokeKey(t.tailnet, gone.credentialId, t.now));
    expect(t.refusal(create({ issuer: "https://x.example", publishers: [gone.credentialId] })).reason).toBe("invalid");
  });

  it("is one of not too many", () => {
    for (let i = 0; i < ISSUERS_MAX; i++) t.run(create({ issuer: `https://${i}.example` }));
    expect(t.refusal(create({ issuer: "https://last.example" }))).toEqual({
      reason: "invalid",
      detail: "too many issuers",
    });
  });
});

describe("keys of an issuer", () => {
  it("are set by the programs that it names and by people, and by nobody else", () => {
    const { id } = t.run(create());
    const set = (actor: Actor) => setIssuerKeys(t.tailnet, id, KEYS, as(actor));
    expect(t.run(set(agent)).jwks).toBe(KEYS);
    expect(t.run(setIssuerKeys(t.tailnet, id, KEYS, t.contextOf(ann))).jwks).toBe(KEYS);
    expect(t.refusal(set(other))).toEqual({ reason: "forbidden" });
    t.run(updateIssuer(t.tailnet, id, { publishers: [] }, t.contextOf(ann)));
    expect(t.refusal(set(agent))).toEqual({ reason: "forbidden" });
    expect(t.refusal(setIssuerKeys(t.tailnet, "iUnknownCNTRL", KEYS, as(agent)))).toEqual({
      reason: "not-found",
      what: "issuer",
    });
  });

  it("are good for longer when they are set again, and are told as changed when they are others", () => {
    const { id } = t.run(create());
    t.run(setIssuerKeys(t.tailnet, id, KEYS, as(agent)));
    const first = t.now;
    t.now += DAY;
    const again = t.run(setIssuerKeys(t.tailnet, id, KEYS, as(agent)));
    expect([again.keysChangedAt, again.keysConfirmedAt]).toEqual([first, t.now]);
    const others = t.run(setIssuerKeys(t.tailnet, id, '{"keys":[{"kid":"two"}]}', as(agent)));
    expect(others.keysChangedAt).toBe(t.now);
  });
});

describe("a credential that may set keys", () => {
  it("is not replaced by another program, which would then stand in for the issuer", () => {
    const id = agent.kind === "credential" ? agent.credentialId : "";
    const replacement = { description: "", scopes: ["dns:read"], tags: [], federation: null };
    t.run(replaceCredential(t.tailnet, id, replacement, as(other))); // as long as it sets no keys
    t.run(create());
    expect(t.refusal(replaceCredential(t.tailnet, id, replacement, as(other)))).toEqual({ reason: "forbidden" });
    expect(t.run(replaceCredential(t.tailnet, id, replacement, t.contextOf(ann))).scopes).toEqual(["dns:read"]);
  });
});
