// PATCH /machine/set-device-attr: a node sets posture attributes of its own (control-protocol.md 6.6), as far as the
// policy lets nodes do so. The client prints the text of a refusal.
import { MalformedRequest, readObject } from "../protocol/control/json.ts";
import { setOwnAttributes } from "../tailnet/commands/nodes/set-attributes.ts";
import { describeRefusal } from "../tailnet/refusal.ts";
import { forNode } from "./asking-node.ts";
import { json, text } from "./control-endpoint.ts";

/** Sets and deletes attributes of the node that asks. */
export const setDeviceAttributes = forNode((node, body, { runtime, now }) => {
  const update = readObject(body, "Update");
  if (update === undefined) throw new MalformedRequest("Update is missing");
  const outcome = runtime.execute({ kind: "node", nodeKey: node.nodeKey }, (tailnet) =>
    setOwnAttributes(tailnet, node, update, now),
  );
  if (outcome.ok) return json({});
  const status = outcome.refusal.reason === "not-permitted" ? 403 : 400;
  return text(status, describeRefusal(outcome.refusal));
});
