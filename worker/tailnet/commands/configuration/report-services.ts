// What nodes say that they host (control-protocol.md 8.1 rows 2 and 3).
import type { ReportedServices } from "../../../protocol/control/client-request.ts";
import { type Change, type Decision, decided } from "../../change.ts";
import type { Node } from "../../entities/node.ts";
import type { Tailnet } from "../../tailnet.ts";

/** Keeps what a node answered, in place of its answer before. */
export function reportServices(tailnet: Tailnet, node: Node, { hash, services }: ReportedServices): Decision<null> {
  const record = { id: String(node.id), hash, services };
  const before = tailnet.records["service-reports"].get(record.id);
  if (JSON.stringify(before) === JSON.stringify(record)) return decided(null);
  return decided(null, [{ type: "record-put", collection: "service-reports", record }]);
}

/** The hash that a node announces; empty when it hosts nothing. */
function servicesHash({ hostinfo }: Node): string {
  return typeof hostinfo.ServicesHash === "string" ? hostinfo.ServicesHash : "";
}

/** Whether a node announces another list than the one that is known. */
export function needsServiceReport(tailnet: Tailnet, node: Node): boolean {
  const hash = servicesHash(node);
  return hash !== "" && tailnet.records["service-reports"].get(String(node.id))?.hash !== hash;
}

/** Forgets the list of a node that hosts nothing any more. */
export function forgottenReport(tailnet: Tailnet, node: Node): readonly Change[] {
  const id = String(node.id);
  if (servicesHash(node) !== "" || !tailnet.records["service-reports"].has(id)) return [];
  return [{ type: "record-removed", collection: "service-reports", id }];
}
