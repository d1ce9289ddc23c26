// What a user did on a node, as its client tells (control-protocol.md 6). It changes nothing but the audit log.
import { type Decision, decided } from "../../change.ts";
import type { Node } from "../../entities/node.ts";

/** Notes what a user did. */
export function reportAction({ id }: Node, action: string, details: string): Decision<null> {
  return decided(null, [{ type: "node-reported", id, action, details }]);
}
