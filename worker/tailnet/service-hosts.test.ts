// Services as destinations of rules and tests (policy.md 22): a name stands for the addresses of its Service, which one
// approved host serves.
import { beforeEach, expect, it } from "vitest";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import { deleteService, putService } from "./commands/configuration/manage-services.ts";
import { reportServices } from "./commands/configuration/report-services.ts";
import { setPolicy } from "./commands/policy/set-policy.ts";
import type { Service } from "./entities/configuration/virtual-address.ts";
import type { Node } from "./entities/node.ts";

const policy = (tests: readonly object[] = []) =>
  JSON.stringify({
    tagOwners: { "tag:host": [], "tag:other": [] },
    autoApprovers: { services: { "svc:web": ["tag:host"] } },
    grants: [{ src: ["ann@example.com"], dst: ["svc:web"], ip: ["tcp:443"], app: { "example.com/cap": [1] } }],
    acls: [{ action: "accept", src: ["bob@example.com"], dst: ["svc:web:80", "svc:none:80"] }],
    tests,
  });

let t: TestTailnet;
let laptop: Node;
let bobs: Node;
let host: Node;
let web: Service;

beforeEach(() => {
  t = new TestTailnet({ policy: policy() });
  const [ann, bob] = [t.user("ann", "owner"), t.user("bob")];
  laptop = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
  bobs = t.join({ machine: 2, key: 2, authKey: t.authKey(bob) });
  host = t.join({ machine: 3, key: 3, authKey: t.authKey(ann, { tags: ["tag:host"] }) });
  web = t.run(putService(t.tailnet, "svc:web", { name: "svc:web", ports: ["tcp:443"] }, t.contextOf(ann)));
  serve(host, "tcp:443");
});

function serve(node: Node, ...ports: string[]): void {
  const services = ports.length === 0 ? [] : [{ name: "svc:web", ports, isActive: true }];
  t.run(reportServices(t.tailnet, node, { hash: ports.join(), services }));
}

const prefixes = () => [`${web.ipv4}/32`, `${web.ipv6}/128`];

it("shows the host to those whom a rule lets to the Service, with the Service's addresses", () => {
  const { engine } = t.tailnet;
  for (const viewer of [laptop, bobs]) {
    expect([...engine.peerRoutes(viewer.id, host.id).allowed].sort()).toEqual(prefixes().sort());
  }
  expect(engine.isVisible(laptop.id, bobs.id)).toBe(false);
  serve(host);
  expect(engine.isVisible(laptop.id, host.id)).toBe(false);
});

it("filters at the host by the Service's addresses, and leaves the host's own alone", () => {
  const rules = t.tailnet.engine.packetFilterOf(host.id);
  const ports = (first: number) => [web.ipv4, web.ipv6].map((IP) => ({ IP, Ports: { First: first, Last: first } }));
  expect(rules).toEqual([
    { SrcIPs: [laptop.ipv4, laptop.ipv6], IPProto: [6], DstPorts: ports(443) },
    { SrcIPs: [laptop.ipv4, laptop.ipv6], CapGrant: [{ Dsts: prefixes(), CapMap: { "example.com/cap": [1] } }] },
    { SrcIPs: [bobs.ipv4, bobs.ipv6], DstPorts: ports(80) },
  ]);
});

it("counts a host without the approver's tag, or without the Service's ports, as none", () => {
  serve(host, "tcp:80");
  expect(t.tailnet.engine.isVisible(laptop.id, host.id)).toBe(false);
  serve(host, "tcp:400-500");
  expect(t.tailnet.engine.isVisible(laptop.id, host.id)).toBe(true);
  t.run(setPolicy(t.tailnet, policy().replace('["tag:host"]', '["tag:other"]'), "ann", t.now));
  expect(t.tailnet.engine.isVisible(laptop.id, host.id)).toBe(false);
});

it("is a destination of tests", () => {
  const verdict = (...tests: object[]) => setPolicy(t.tailnet, policy(tests), "ann", t.now);
  t.run(verdict({ src: "ann@example.com", accept: ["svc:web:443"], deny: ["svc:web:80"] }));
  expect(t.refusal(verdict({ src: "bob@example.com", accept: ["svc:web:443"] }))).toMatchObject({
    failures: [{ user: "bob@example.com", errors: ['address "svc:web:443": want: Accept, got: Drop'] }],
  });
  expect(t.refusal(verdict({ src: "bob@example.com", deny: ["svc:none:80"] }))).toMatchObject({
    failures: [{ user: "bob@example.com", errors: ['address "svc:none:80": destination has no address'] }],
  });
  t.run(deleteService(t.tailnet, "svc:web"));
  expect(t.refusal(verdict({ src: "ann@example.com", accept: ["svc:web:443"] }))).toMatchObject({
    reason: "policy-tests-failed",
  });
});
