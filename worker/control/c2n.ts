// POST /machine/c2n/vip-services/<node>/<nonce>: what a client answers to the question which Services it hosts
// (control-protocol.md 6.9, 8.1). Nothing is remembered of the question, so that an object may sleep in between: the
// session's machine key says for which nodes a reply can speak, and a reply that nobody asked for tells no more than one
// that was asked for.
import { parseServiceReport } from "../protocol/control/client-request.ts";
import { reportServices } from "../tailnet/commands/configuration/report-services.ts";
import { type ControlHandler, empty, text } from "./control-endpoint.ts";

/** Where clients post what they serve. */
export const SERVICE_REPORT_PATH = "/machine/c2n/vip-services/";

/** Takes a client's list of Services. */
export const serviceReport: ControlHandler = (request, { runtime }) => {
  const id = Number(/^(\d{1,16})\//.exec(request.path.slice(SERVICE_REPORT_PATH.length))?.[1]);
  const node = runtime.tailnet.nodes.get(id);
  if (node === undefined || node.machineKey !== request.machineKey) return text(404, "not found");
  const report = parseServiceReport(request.body);
  runtime.execute({ kind: "node", nodeKey: node.nodeKey }, (tailnet) => reportServices(tailnet, node, report));
  return empty(200);
};
