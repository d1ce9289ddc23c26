// A node tells that a session on it could not be recorded. Only nodes may whose sessions the policy has recorded: the
// audit log has limits, and its room is not for anybody to fill.
import type { SSHRecordingReport } from "../../../protocol/control/ssh-recording.ts";
import { type Decision, decided, refused } from "../../change.ts";
import type { Node } from "../../entities/node.ts";
import type { Tailnet } from "../../tailnet.ts";

/** Notes the report for the audit log. */
export function reportRecording(tailnet: Tailnet, node: Node, report: SSHRecordingReport): Decision<null> {
  if (!tailnet.engine.recordsSSHOn(node.id)) {
    return refused({ reason: "not-permitted", detail: "no rule of the policy has sessions on this device recorded" });
  }
  return decided(null, [{ type: "ssh-not-recorded", id: node.id, report }]);
}
