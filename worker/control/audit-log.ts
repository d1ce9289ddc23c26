// POST /machine/audit-log: what a user did on the node, for the audit log: today that and why they disconnected, where a
// device policy wants reasons (control-protocol.md 6). Clients try again after 429 and drop an entry that is refused.
import { MalformedRequest, readString } from "../protocol/control/json.ts";
import { REPORT_ACTION_MAX, REPORT_DETAILS_MAX } from "../protocol/limits.ts";
import { reportAction } from "../tailnet/commands/nodes/report-action.ts";
import { forNode } from "./asking-node.ts";
import { json, text } from "./control-endpoint.ts";

/** Keeps what a user did. */
export const auditLog = forNode((node, body, { runtime, limits, now }) => {
  const action = readString(body, "Action") ?? "";
  const details = readString(body, "Details") ?? "";
  if (!/^[A-Z_]+$/.test(action) || action.length > REPORT_ACTION_MAX) throw new MalformedRequest("Action is missing");
  if (details.length > REPORT_DETAILS_MAX) throw new MalformedRequest("Details are too long");
  const wait = limits.reports.take(node.machineKey, now);
  if (wait > 0) return text(429, "too many reports", [["retry-after", String(wait)]]);
  runtime.execute({ kind: "node", nodeKey: node.nodeKey }, () => reportAction(node, action, details));
  return json({});
});
