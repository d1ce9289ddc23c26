// POST /machine/c2n/<what>/<node>/<nonce>: what a client answers to a question of the server (control-protocol.md 6.9,
// 8.1; runtime/client-questions.ts). Nothing is remembered of the question, so that an object may sleep in between: the
// session's machine key says for which nodes a reply can speak, and a reply that nobody asked for tells no more than one
// that was asked for.
import { parsePostureReport, parseServiceReport } from "../protocol/control/client-request.ts";
import { reportServices } from "../tailnet/commands/configuration/report-services.ts";
import { reportPosture } from "../tailnet/commands/nodes/report-posture.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { type ControlContext, type ControlHandler, type ControlRequest, empty, text } from "./control-endpoint.ts";

/** Where clients post what they serve. */
export const SERVICE_REPORT_PATH = "/machine/c2n/vip-services/";
/** Where clients post their serial numbers. */
export const POSTURE_REPORT_PATH = "/machine/c2n/posture-identity/";

/** Takes a client's list of Services. */
export const serviceReport: ControlHandler = (request, context) => {
  const node = nodeOf(request, context, SERVICE_REPORT_PATH);
  if (node === undefined) return text(404, "not found");
  const report = parseServiceReport(request.body);
  context.runtime.execute({ kind: "node", nodeKey: node.nodeKey }, (tailnet) => reportServices(tailnet, node, report));
  return empty(200);
};

/** Takes a client's serial numbers. */
export const postureReport: ControlHandler = (request, context) => {
  const node = nodeOf(request, context, POSTURE_REPORT_PATH);
  if (node === undefined) return text(404, "not found");
  const report = parsePostureReport(request.body);
  context.runtime.execute({ kind: "node", nodeKey: node.nodeKey }, (tailnet, { now }) =>
    reportPosture(tailnet, node, report, now),
  );
  return empty(200);
};

/** The node that a reply is about, if the session may speak for it. */
function nodeOf(request: ControlRequest, { runtime }: ControlContext, prefix: string): Node | undefined {
  const id = Number(/^(\d{1,16})\//.exec(request.path.slice(prefix.length))?.[1]);
  const node = runtime.tailnet.nodes.get(id);
  return node?.machineKey === request.machineKey ? node : undefined;
}
