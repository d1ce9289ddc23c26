// POST /machine/ssh/recording-failure: a node tells of a session that no recorder took, whether it was refused, ended or
// went on (control-protocol.md 6.5). The word of a node on itself, which goes into the audit log. Clients take 201 for an
// answer, log any other, and never ask again.
import { parseRecordingReport } from "../protocol/control/ssh-recording.ts";
import { reportRecording } from "../tailnet/commands/nodes/report-recording.ts";
import { forNode } from "./asking-node.ts";
import { empty, text } from "./control-endpoint.ts";

/** Notes that a session on the asking node is not recorded. */
export const recordingFailure = forNode((node, body, { runtime, limits, now }) => {
  const report = parseRecordingReport(body);
  const actor = { kind: "node", nodeKey: node.nodeKey } as const;
  const wait = limits.reports.take(node.machineKey, now);
  if (wait > 0) return text(429, "too many reports", [["retry-after", String(wait)]]);
  const outcome = runtime.execute(actor, (tailnet) => reportRecording(tailnet, node, report));
  return outcome.ok ? empty(201) : text(403, "no rule of the policy has sessions on this device recorded");
});
