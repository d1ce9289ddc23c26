import { describe, expect, it } from "vitest";
import { MINUTE, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { NODE_MAX_ATTRIBUTES } from "../../../protocol/limits.ts";
import { builtInAttributes } from "../../entities/device-attribute.ts";
import type { Node } from "../../entities/node.ts";
import { type AttributeUpdate, setAttributes, setOwnAttributes } from "./set-attributes.ts";

const policy = JSON.stringify({
  tagOwners: { "tag:server": [] },
  postures: { "posture:prod": ["custom:tier == 'prod'", "node:os == 'linux'"] },
  attrConfig: { "custom:seat": { type: "number", allowSetByNode: true } },
  grants: [{ src: ["autogroup:member"], dst: ["tag:server"], ip: ["*"], srcPosture: ["posture:prod"] }],
});

function scene() {
  const t = new TestTailnet({ policy });
  const ann = t.user("ann", "admin");
  const laptop = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
  const phone = t.join({ machine: 2, key: 2, authKey: t.authKey(ann) });
  const server = t.join({ machine: 3, key: 3, authKey: t.authKey(ann, { tags: ["tag:server"] }) });
  const decide = (node: Node, update: AttributeUpdate) => setAttributes(t.tailnet, new Map([[node.id, update]]), t.now);
  return {
    t,
    laptop,
    phone,
    server,
    decide,
    set: (node: Node, key: string, value: unknown, expiresAt: number | null = null) =>
      t.run(decide(node, { [key]: { value, expiresAt } })),
    sees: (node: Node) => t.tailnet.engine.peersOf(node.id),
  };
}

describe("an attribute that a posture names", () => {
  it("opens and closes access as it is set and deleted, for that node and its peers alone", () => {
    const { t, laptop, phone, server, set, decide, sees } = scene();
    expect(sees(server)).toEqual([]);
    set(laptop, "custom:tier", "prod");
    expect(sees(server)).toEqual([laptop.id]);
    expect(new Set(t.effects.policy[0]?.viewers.keys())).toEqual(new Set([laptop.id, server.id]));
    expect(sees(phone)).toEqual([]);
    t.run(decide(laptop, { "custom:tier": null }));
    expect(sees(server)).toEqual([]);
  });

  it("closes access when it expires", () => {
    const { t, laptop, server, set, sees } = scene();
    set(laptop, "custom:tier", "prod", t.now + MINUTE);
    t.connect(laptop);
    t.pass(MINUTE - 1);
    expect(sees(server)).toEqual([laptop.id]);
    t.pass(1);
    expect(sees(server)).toEqual([]);
    expect(t.node(laptop)).toMatchObject({ attributes: {}, isOnline: true });
  });

  it("closes access when the node's own report no longer meets it", () => {
    const { t, laptop, server, set, sees } = scene();
    set(laptop, "custom:tier", "prod");
    t.report(laptop, { OS: "windows" });
    expect(sees(server)).toEqual([]);
  });
});

it("costs no view anything when no posture names it", () => {
  const { t, laptop, set } = scene();
  set(laptop, "custom:desk", 7);
  for (const effect of t.effects.policy) {
    expect([effect.viewers.size, effect.filters.size, effect.sshPolicies.size, effect.selves.size]).toEqual([
      0, 0, 0, 0,
    ]);
  }
});

describe("a request to set attributes", () => {
  it.each([
    ["node:os", "linux", "namespace custom:"],
    ["custom:a b", "x", "letters, digits"],
    ["custom:", "x", "letters, digits"],
    [`custom:${"a".repeat(130)}`, "x", "128"],
    ["custom:a", "two words", "50 letters"],
    ["custom:a", "x".repeat(51), "50 letters"],
    ["custom:a", 1.5, "integer"],
    ["custom:a", 2 ** 53, "integer"],
    ["custom:a", [], "must be a string"],
    ["custom:a", null, "must be a string"],
    ["custom:seat", "one", "as a number"],
  ])("is refused for %s = %j", (key, value, words) => {
    const { t, laptop, decide } = scene();
    const refusal = t.refusal(decide(laptop, { [key]: { value, expiresAt: null } }));
    expect(refusal).toMatchObject({ reason: "invalid", detail: expect.stringContaining(words) });
  });

  it("is refused when the tailnet knows the name with another type or spelling", () => {
    const { t, laptop, phone, set, decide } = scene();
    set(laptop, "custom:tier", "prod");
    const other = (key: string, value: unknown) => t.refusal(decide(phone, { [key]: { value, expiresAt: null } }));
    expect(other("custom:tier", true)).toMatchObject({ detail: expect.stringContaining("as a string") });
    expect(other("custom:Tier", "x")).toMatchObject({ detail: expect.stringContaining('"custom:tier"') });
  });

  it("changes nothing when one of its nodes is unknown or one value is wrong", () => {
    const { t, laptop } = scene();
    const good = { "custom:tier": { value: "prod", expiresAt: null } };
    expect(
      t.refusal(
        setAttributes(
          t.tailnet,
          new Map([
            [laptop.id, good],
            [999, good],
          ]),
          t.now,
        ),
      ).reason,
    ).toBe("not-found");
    expect(t.node(laptop).attributes).toEqual({});
  });

  it("is refused beyond the limit of one node", () => {
    const { t, laptop, decide } = scene();
    const many = Object.fromEntries(
      Array.from({ length: NODE_MAX_ATTRIBUTES + 1 }, (_, n) => [`custom:a${n}`, { value: n, expiresAt: null }]),
    );
    expect(t.refusal(decide(laptop, many))).toMatchObject({ detail: expect.stringContaining("at most") });
  });
});

describe("a node", () => {
  it("sets what attrConfig lets nodes set, and nothing else", () => {
    const { t, laptop } = scene();
    t.run(setOwnAttributes(t.tailnet, laptop, { "custom:seat": 4 }, t.now));
    expect(t.node(laptop).attributes).toEqual({ "custom:seat": { value: 4, expiresAt: null } });
    const refuse = (update: Record<string, unknown>) => t.refusal(setOwnAttributes(t.tailnet, laptop, update, t.now));
    expect(refuse({ "custom:tier": "prod" }).reason).toBe("not-permitted");
    expect(refuse({ "custom:tier": null }).reason).toBe("not-permitted");
    expect(refuse({ "node:os": "linux" }).reason).toBe("invalid");
    t.run(setOwnAttributes(t.tailnet, t.node(laptop), { "custom:seat": null }, t.now));
    expect(t.node(laptop).attributes).toEqual({});
  });
});

describe("built-in attributes", () => {
  it("follow from Hostinfo", () => {
    expect(
      builtInAttributes({
        OS: "macOS",
        OSVersion: "14.5.0",
        IPNVersion: "1.83.2-t0123-gabc",
        AllowsUpdate: true,
        StateEncrypted: "true",
      }),
    ).toEqual({
      "node:os": "macos",
      "node:osVersion": "14.5.0",
      "node:tsVersion": "1.83.2",
      "node:tsReleaseTrack": "unstable",
      "node:tsAutoUpdate": true,
      "node:tsStateEncrypted": true,
    });
    expect(builtInAttributes({ IPNVersion: "1.102.3" })).toMatchObject({
      "node:tsReleaseTrack": "stable",
      "node:tsAutoUpdate": false,
    });
    expect(builtInAttributes({ OS: 7, OSVersion: "x".repeat(200) })).toEqual({});
  });
});
