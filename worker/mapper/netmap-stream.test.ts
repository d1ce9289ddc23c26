// The central promise of the netmap: whatever happens, a client that followed its stream knows what one would that
// opened a stream now (style.md 3.8). Random commands, streams that open and close at random, every stream compared
// after every step; the state keeps its invariants all the while (TestTailnet checks them after each command).
import fc from "fast-check";
import { expect, it } from "vitest";
import { NetmapWatchers } from "../../test/support/netmap-watchers.ts";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import { type Command, commandSequences, decide, nodeAt, POLICIES } from "../../test/support/tailnet-commands.ts";
import { firstJoined, urgencyOf } from "./cheap-news.ts";

function step(t: TestTailnet, watchers: NetmapWatchers, command: Command): void {
  if (command.type === "open" || command.type === "close") {
    const node = nodeAt(t, command.node);
    if (node === undefined) return;
    if (command.type === "open") watchers.open(node);
    else watchers.close(node.id);
  } else if (command.type === "pass") {
    t.pass(command.ms);
    watchers.deliver();
  } else {
    const decision = decide(t, command);
    if (!decision?.ok) return;
    t.run(decision);
    watchers.deliver();
  }
}

/** A tailnet with nodes of all kinds, each with a stream open. */
function populated(gathers = false): [TestTailnet, NetmapWatchers] {
  const t = new TestTailnet({ policy: POLICIES[0] ?? "" });
  const [owner, member] = [t.user("user0", "owner"), t.user("user1")];
  t.user("user2", "admin");
  const hostinfo = { Hostname: "web", RoutableIPs: ["10.0.0.0/8", "0.0.0.0/0", "::/0"] };
  const nodes = [
    t.join({ machine: 1, key: 10, authKey: t.authKey(owner) }),
    t.join({ machine: 2, key: 20, authKey: t.authKey(owner, { tags: ["tag:a"] }), hostinfo }),
    t.join({ machine: 3, key: 30, authKey: t.authKey(owner, { tags: ["tag:b"] }), hostinfo }),
    t.join({ machine: 4, key: 40, authKey: t.authKey(member, { isEphemeral: true }) }),
  ];
  const watchers = new NetmapWatchers(t, gathers);
  for (const node of nodes) watchers.open(node);
  return [t, watchers];
}

it("a client that followed its stream knows what one knows that opens a stream now", () => {
  const compared = new Map<string, number>();
  fc.assert(
    fc.property(commandSequences(40), (commands) => {
      const [t, watchers] = populated();
      for (const command of commands) {
        step(t, watchers, command);
        compared.set(command.type, (compared.get(command.type) ?? 0) + watchers.streams.size);
        for (const [id, { client, nodeKey }] of watchers.streams) {
          expect(client.netmap(), `node ${id} after ${command.type}`).toEqual(watchers.fresh(id).netmap());
          expect(client.selfKey).toBe(nodeKey);
        }
      }
    }),
    { numRuns: 200 },
  );
  for (const name of ["join by key", "approve", "update", "policy", "tag", "expire", "delete", "settings"]) {
    expect(compared.get(name), `streams compared after ${name}`).toBeGreaterThan(5);
  }
});

it("knows it too when news was gathered that may wait, and was never told of anything else late", () => {
  let gathered = 0;
  let joined = 0;
  fc.assert(
    fc.property(commandSequences(40), fc.integer({ min: 2, max: 9 }), (commands, round) => {
      const [t, watchers] = populated(true);
      for (const [i, command] of commands.entries()) {
        step(t, watchers, command);
        if (urgencyOf(t.effects, t.now) === "later") gathered += 1;
        if (urgencyOf(t.effects, t.now) === "later" && firstJoined(t.effects) !== undefined) joined += 1;
        if (i % round !== 0) continue;
        watchers.tellWaiting();
        for (const [id, { client }] of watchers.streams) {
          expect(client.netmap(), `node ${id} after ${command.type}`).toEqual(watchers.fresh(id).netmap());
        }
      }
    }),
    { numRuns: 200 },
  );
  expect(gathered).toBeGreaterThan(20);
  expect(joined).toBeGreaterThan(10);
});
