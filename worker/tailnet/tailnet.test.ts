import { describe, expect, it } from "vitest";
import { machineKey, nodeKey, TestTailnet } from "../../test/support/tailnet-builder.ts";
import {
  indexNode,
  isPairTaken,
  nodeByPublicId,
  nodeOfSession,
  nodesOfMachine,
  openTailnet,
  unindexNode,
  userByLogin,
} from "./tailnet.ts";

function sample() {
  const t = new TestTailnet();
  const [ann, bob] = [t.user("ann"), t.user("bob")];
  const annsNode = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
  const bobsNode = t.join({ machine: 1, key: 2, authKey: t.authKey(bob) });
  return { t, ann, bob, annsNode, bobsNode };
}

describe("look-ups", () => {
  it("find a node by key only on its own machine", () => {
    const { t, annsNode } = sample();
    expect(nodeOfSession(t.tailnet, machineKey(1), nodeKey(1))).toBe(annsNode);
    expect(nodeOfSession(t.tailnet, machineKey(2), nodeKey(1))).toBeUndefined();
    expect(nodeOfSession(t.tailnet, machineKey(1), nodeKey(9))).toBeUndefined();
  });

  it("list the nodes of a machine, oldest first, whatever changed last", () => {
    const { t, annsNode, bobsNode } = sample();
    const changed = t.report(annsNode, { OSVersion: "7" });
    expect(nodesOfMachine(t.tailnet, machineKey(1))).toEqual([changed, bobsNode]);
    expect(nodesOfMachine(t.tailnet, machineKey(9))).toEqual([]);
  });

  it("find a node by stable id and by number", () => {
    const { t, annsNode } = sample();
    for (const id of [annsNode.stableId, String(annsNode.id)]) expect(nodeByPublicId(t.tailnet, id)).toBe(annsNode);
    for (const id of ["", "0", "01", "99", "nUnknownCNTRL", "1e0"])
      expect(nodeByPublicId(t.tailnet, id)).toBeUndefined();
  });

  it("find a user by login name in any case", () => {
    const { t, ann } = sample();
    expect(userByLogin(t.tailnet, "Ann@Example.com")).toBe(ann);
    expect(userByLogin(t.tailnet, "eve@example.com")).toBeUndefined();
  });
});

describe("isPairTaken", () => {
  it("knows the IPv6 addresses of imported nodes, which need not go with their IPv4 addresses", () => {
    const { t, annsNode } = sample();
    unindexNode(t.tailnet, annsNode);
    indexNode(t.tailnet, { ...annsNode, ipv6: "fd7a:115c:a1e0::77" });
    expect(isPairTaken(t.tailnet, "100.64.0.119")).toBe(true);
    expect(isPairTaken(t.tailnet, "100.64.0.120")).toBe(false);
    unindexNode(t.tailnet, { ...annsNode, ipv6: "fd7a:115c:a1e0::77" });
    expect(isPairTaken(t.tailnet, "100.64.0.119")).toBe(false);
  });

  it("costs the same in every tailnet: no node is looked at", () => {
    const { t } = sample();
    t.tailnet.nodes.values = () => expect.fail("looks at every node");
    expect(isPairTaken(t.tailnet, "100.64.0.120")).toBe(false);
  });
});

describe("openTailnet", () => {
  it("builds the same state from what is stored", () => {
    const { t } = sample();
    const { users, nodes, authKeys, apiTokens, pendings, settings, counters, policy, engine } = t.tailnet;
    const { sshChecks, passedSSHChecks } = t.tailnet;
    const opened = openTailnet({
      users: users.values(),
      nodes: nodes.values(),
      authKeys: authKeys.values(),
      apiTokens: apiTokens.values(),
      credentials: [],
      accessTokens: [],
      pendings: pendings.values(),
      sshChecks: sshChecks.values(),
      passedSSHChecks: passedSSHChecks.values(),
      settings,
      counters,
      policy,
      primaries: engine.primaries(),
    });
    const { engine: _live, ...before } = t.tailnet;
    const { engine: reopened, ...after } = opened;
    expect(after).toEqual(before);
    for (const id of nodes.keys()) expect(reopened.peersOf(id)).toEqual(engine.peersOf(id));
  });

  it("leaves records alone that a later version made", () => {
    const { tailnet } = new TestTailnet();
    const record = { collection: "inventions", record: { id: "1" } } as unknown as {
      collection: "services";
      record: never;
    };
    const { users, counters, settings, policy } = tailnet;
    const none = { nodes: [], authKeys: [], apiTokens: [], credentials: [], accessTokens: [], pendings: [] };
    const rest = { sshChecks: [], passedSSHChecks: [], primaries: new Map(), counters, settings, policy };
    expect(openTailnet({ users: users.values(), ...none, ...rest, records: [record] }).records).toEqual(
      tailnet.records,
    );
  });

  it("starts with a policy that no longer compiles, and says so", () => {
    const { policyFault } = new TestTailnet({ policy: "{" }).tailnet;
    expect(policyFault).toMatchObject({ inForceSince: null, problem: expect.stringContaining("line 1") });
  });
});
