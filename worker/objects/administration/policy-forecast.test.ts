// Answers about large tailnets stay small, and their numbers stay true.
import { expect, it } from "vitest";
import { TestTailnet } from "../../../test/support/tailnet-builder.ts";
import type { PolicyEffect } from "../../policy/engine.ts";
import { POLICY_MAX_FORESEEN_DEVICES, POLICY_MAX_FORESEEN_PEERS } from "../../protocol/limits.ts";
import type { Node } from "../../tailnet/entities/node.ts";
import { toForecast } from "./policy-forecast.ts";

const ids = Array.from({ length: POLICY_MAX_FORESEEN_DEVICES + 100 }, (_, i) => i + 1);

it("lists the first devices and peers, and counts them all", () => {
  const t = new TestTailnet();
  const model = t.join({ machine: 1, key: 1, authKey: t.authKey(t.user("ann")) });
  const nodes = new Map(
    ids.map((id): [number, Node] => [id, { ...model, id, stableId: `n${id}`, name: `node-${id}` }]),
  );
  const change = { added: ids, removed: [], changed: [] };
  const effect: PolicyEffect = {
    viewers: new Map(ids.map((id) => [id, change])),
    filters: new Set([2]),
    sshPolicies: new Set(),
    capMaps: new Set(),
    primaries: new Map(),
    selves: new Set(),
  };
  const { total, devices } = toForecast([effect], nodes, "tail.internal");
  expect([total, devices.length]).toEqual([ids.length, POLICY_MAX_FORESEEN_DEVICES]);
  expect(devices[1]).toMatchObject({ nodeId: "n2", name: "node-2.tail.internal", hasNewFilter: true });
  for (const { gainedPeers } of devices) {
    expect(gainedPeers.total).toBe(ids.length);
    expect(gainedPeers.devices).toHaveLength(POLICY_MAX_FORESEEN_PEERS);
  }
});
