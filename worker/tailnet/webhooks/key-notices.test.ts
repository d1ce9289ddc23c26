import { beforeEach, expect, it } from "vitest";
import { DAY, MINUTE, TestTailnet } from "../../../test/support/tailnet-builder.ts";
import { expireNode, setKeyExpiryDisabled } from "../commands/nodes/administer-node.ts";
import type { Node } from "../entities/node.ts";
import { keyNotices, nextKeyNotice } from "./key-notices.ts";

let t: TestTailnet;
let node: Node;
let expiresAt: number;

beforeEach(() => {
  t = new TestTailnet();
  node = t.join({ machine: 1, key: 1, authKey: t.authKey(t.user("ann")) });
  expiresAt = node.keyExpiresAt ?? 0;
});

const types = (after: number, until: number) => keyNotices(t.tailnet, after, until).map(({ type }) => type);

it("come a day before and when a key expires, once each, in spans that join without a gap", () => {
  expect(types(t.now, expiresAt - DAY - 1)).toEqual([]);
  expect(types(expiresAt - DAY - 1, expiresAt - DAY)).toEqual(["nodeKeyExpiringInOneDay"]);
  expect(types(expiresAt - DAY, expiresAt - 1)).toEqual([]);
  expect(types(expiresAt - 1, expiresAt)).toEqual(["nodeKeyExpired"]);
  expect(types(expiresAt, expiresAt + DAY)).toEqual([]);
  expect(types(t.now, expiresAt + DAY)).toEqual(["nodeKeyExpired"]);
});

it("tell which device, whose", () => {
  expect(keyNotices(t.tailnet, expiresAt - 1, expiresAt)).toEqual([
    {
      type: "nodeKeyExpired",
      message: "Node host-1 has a key that expired",
      data: { nodeID: node.stableId, deviceName: "host-1", managedBy: "ann@example.com" },
    },
  ]);
});

it("are expected at the next of these instants", () => {
  const next = (after: number) => nextKeyNotice(t.tailnet.nodes.values(), after);
  expect(next(t.now)).toBe(expiresAt - DAY);
  expect(next(expiresAt - DAY)).toBe(expiresAt);
  expect(next(expiresAt)).toBe(Number.POSITIVE_INFINITY);
});

it("do not come of keys that never expire, and come at once of those that an administrator expires", () => {
  t.now += MINUTE;
  t.run(expireNode(t.node(node), t.now));
  expect(types(t.now - 1, t.now)).toEqual(["nodeKeyExpired"]);
  t.run(setKeyExpiryDisabled(t.node(node), true));
  expect(types(0, expiresAt + DAY)).toEqual([]);
});
