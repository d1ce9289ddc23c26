// Routes that the policy approves (policy.md 15): when, for whom, and what an administrator's word is worth.
import { beforeEach, describe, expect, it } from "vitest";
import { TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { effectiveRoutes, type Node } from "../../entities/node.ts";
import type { User } from "../../entities/user.ts";
import { approveRoutes, tagNode } from "../nodes/administer-node.ts";
import { setPolicy } from "./set-policy.ts";

const policy = (routes: object, exitNode: readonly string[] = []) =>
  JSON.stringify({
    tagOwners: { "tag:router": ["ann@example.com"], "tag:exit": ["tag:router"] },
    autoApprovers: { routes, exitNode },
  });

let t: TestTailnet;
let ann: User;
let router: Node;

function start(text: string, tags: readonly string[], RoutableIPs: readonly string[]): void {
  t = new TestTailnet({ policy: text });
  ann = t.user("ann");
  router = t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { tags }), hostinfo: { RoutableIPs } });
}

const approved = () => t.node(router).approvedRoutes;

describe("a policy that approves 10.0.0.0/8 for tag:router", () => {
  beforeEach(() => {
    start(policy({ "10.0.0.0/8": ["tag:router"] }), ["tag:router"], ["10.1.0.0/16", "192.168.0.0/24"]);
  });

  it("approves what it covers of a new node's routes", () => {
    expect(approved()).toEqual(["10.1.0.0/16"]);
    expect(effectiveRoutes(router)).toEqual(["10.1.0.0/16"]);
  });

  it("approves routes that the node begins to advertise, and keeps the approval of those that it stops to", () => {
    t.report(router, { RoutableIPs: ["10.2.0.0/16"] });
    expect(approved()).toEqual(["10.1.0.0/16", "10.2.0.0/16"]);
    expect(effectiveRoutes(t.node(router))).toEqual(["10.2.0.0/16"]);
  });

  it("leaves a route that an administrator withdrew alone, until the node advertises it anew", () => {
    t.run(approveRoutes(t.node(router), []));
    t.report(router, { Hostname: "other" });
    t.join({
      machine: 1,
      key: 2,
      replaces: 1,
      authKey: t.authKey(ann, { tags: ["tag:router"] }),
      hostinfo: t.node(router).hostinfo,
    });
    t.run(setPolicy(t.tailnet, policy({ "10.0.0.0/8": ["tag:router", "ann@example.com"] }), "ann", t.now));
    expect(approved()).toEqual([]);
    t.report(router, { RoutableIPs: [] });
    t.report(router, { RoutableIPs: ["10.1.0.0/16"] });
    expect(approved()).toEqual(["10.1.0.0/16"]);
  });

  it("approves at a restart what was advertised since", () => {
    t.join({ machine: 1, key: 1, hostinfo: { RoutableIPs: ["10.1.0.0/16", "10.9.0.0/16"] } });
    expect(approved()).toEqual(["10.1.0.0/16", "10.9.0.0/16"]);
  });

  it("never takes an approval back", () => {
    t.run(setPolicy(t.tailnet, policy({}), "ann", t.now));
    expect(approved()).toEqual(["10.1.0.0/16"]);
  });

  it("does not approve exit routes", () => {
    t.report(router, { RoutableIPs: ["0.0.0.0/0", "::/0"] });
    expect(effectiveRoutes(t.node(router))).toEqual([]);
  });
});

describe("a new policy", () => {
  it("approves what the old one did not and the new one does", () => {
    start(policy({ "192.168.0.0/16": ["tag:router"] }), ["tag:router"], ["10.1.0.0/16", "192.168.0.0/24"]);
    t.run(approveRoutes(t.node(router), []));
    const next = policy({ "10.0.0.0/8": ["tag:router"], "192.168.0.0/16": ["tag:router"] });
    t.run(setPolicy(t.tailnet, next, "ann", t.now));
    expect(approved()).toEqual(["10.1.0.0/16"]);
  });

  it("touches no node that it approves nothing of", () => {
    start(policy({}), ["tag:router"], ["10.1.0.0/16"]);
    t.join({ machine: 2, key: 2, authKey: t.authKey(ann) });
    t.run(setPolicy(t.tailnet, policy({ "172.16.0.0/12": ["tag:router"] }), "ann", t.now));
    expect(t.changes.map(({ type }) => type)).toEqual(["policy-put"]);
  });
});

describe("a node that changes hands", () => {
  it("loses what was approved for its owner and gets what is approved for the next", () => {
    start(
      policy({ "10.0.0.0/8": ["ann@example.com"], "172.16.0.0/12": ["tag:router"] }),
      [],
      ["10.1.0.0/16", "172.16.1.0/24"],
    );
    t.run(approveRoutes(t.node(router), ["10.1.0.0/16", "192.168.0.0/24"]));
    t.join({
      machine: 1,
      key: 2,
      replaces: 1,
      authKey: t.authKey(ann, { tags: ["tag:router"] }),
      hostinfo: t.node(router).hostinfo,
    });
    expect(approved()).toEqual(["172.16.1.0/24", "192.168.0.0/24"]);
  });

  it("by an administrator's tags, or back to the administrator, is judged as what it is now", () => {
    start(policy({ "10.0.0.0/8": ["tag:router"] }), [], ["10.1.0.0/16"]);
    t.run(tagNode(t.tailnet, t.node(router), ["tag:router"], t.contextOf(ann)));
    expect(approved()).toEqual(["10.1.0.0/16"]);
    t.run(tagNode(t.tailnet, t.node(router), [], t.contextOf(ann)));
    expect(approved()).toEqual([]);
  });

  it("by other tags that it asks for is judged by these", () => {
    start(policy({ "10.0.0.0/8": ["tag:router"] }, ["tag:exit"]), ["tag:router"], ["10.1.0.0/16", "0.0.0.0/0"]);
    expect(approved()).toEqual(["10.1.0.0/16"]);
    t.report(router, { RequestTags: ["tag:exit"] });
    expect(approved()).toEqual(["0.0.0.0/0"]);
  });
});
