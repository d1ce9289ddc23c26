import { beforeEach, expect, it } from "vitest";
import { TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import type { SSHRecordingReport } from "../../../protocol/control/ssh-recording.ts";
import { auditChanges } from "../../audit/audit-changes.ts";
import type { Node } from "../../entities/node.ts";
import { reportRecording } from "./report-recording.ts";

const POLICY = JSON.stringify({
  tagOwners: { "tag:web": [], "tag:recorder": [], "tag:plain": [] },
  ssh: [
    { action: "accept", src: ["autogroup:member"], dst: ["tag:web"], users: ["root"], recorder: ["tag:recorder"] },
    {
      action: "check",
      src: ["autogroup:member"],
      dst: ["autogroup:self"],
      users: ["root"],
      recorder: ["tag:recorder"],
    },
    { action: "accept", src: ["autogroup:member"], dst: ["tag:plain"], users: ["root"] },
  ],
});

let t: TestTailnet;
let laptop: Node;
let web: Node;
let plain: Node;

beforeEach(() => {
  t = new TestTailnet({ policy: POLICY });
  const ann = t.user("ann", "owner");
  laptop = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
  web = t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { tags: ["tag:web"] }) });
  plain = t.join({ machine: 3, key: 3, authKey: t.authKey(ann, { tags: ["tag:plain"] }) });
});

const report = (more: Partial<SSHRecordingReport> = {}): SSHRecordingReport => ({
  event: "rejected",
  connectionId: "c1",
  sourceId: laptop.id,
  sshUser: "root",
  localUser: "root",
  attempts: [{ recorder: "100.64.0.9:80", failure: "refused" }],
  ...more,
});

const entriesOf = (node: Node, more?: Partial<SSHRecordingReport>) => {
  const decision = reportRecording(t.tailnet, node, report(more));
  if (!decision.ok) throw new Error("refused");
  const actor = { kind: "node", nodeKey: node.nodeKey } as const;
  const entries = auditChanges(t.tailnet, decision.changes, { actor, now: t.now, groupId: () => "g" });
  t.apply(decision.changes);
  return entries;
};

it("puts into the audit log who went where as whom, and which recorders failed", () => {
  expect(entriesOf(web)).toMatchObject([
    {
      origin: "NODE",
      actor: { id: web.stableId, type: "NODE" },
      target: { id: web.stableId, type: "NODE", property: "SSH_SESSION_RECORDING" },
      action: "UPDATE",
      after: {
        event: "rejected",
        connectionId: "c1",
        source: { id: laptop.stableId, name: laptop.name },
        sshUser: "root",
        localUser: "root",
        attempts: [{ recorder: "100.64.0.9:80", failure: "refused" }],
      },
    },
  ]);
  expect(t.effects.policy).toEqual([]);
});

it("is taken for sessions that a check rule lets in, and for those from devices that are gone", () => {
  expect(entriesOf(laptop, { event: "terminated" })).toMatchObject([{ after: { event: "terminated" } }]);
  expect(entriesOf(web, { sourceId: 999 })).toMatchObject([{ after: { source: { id: "999", name: "" } } }]);
});

it("is refused from a device whose sessions nobody wants recorded", () => {
  expect(t.refusal(reportRecording(t.tailnet, plain, report()))).toMatchObject({ reason: "not-permitted" });
});
