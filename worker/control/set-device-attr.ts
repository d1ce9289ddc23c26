// PATCH /machine/set-device-attr: a node sets posture attributes of its own (control-protocol.md 6.6), as far as the
// policy lets nodes do so. The client prints the text of a refusal.
import { fromUtf8 } from "../protocol/bytes.ts";
import { MalformedRequest, parseJsonObject, readObject, readString } from "../protocol/control/json.ts";
import { parseNodeKey } from "../protocol/keys.ts";
import { setOwnAttributes } from "../tailnet/commands/nodes/set-attributes.ts";
import { describeRefusal } from "../tailnet/refusal.ts";
import { nodeOfSession } from "../tailnet/tailnet.ts";
import { type ControlHandler, json, text } from "./control-endpoint.ts";

/** Sets and deletes attributes of the node that asks. */
export const setDeviceAttributes: ControlHandler = (request, { runtime, now }) => {
  const body = parseJsonObject(fromUtf8(request.body));
  const nodeKey = parseNodeKey(readString(body, "NodeKey") ?? "");
  const update = readObject(body, "Update");
  if (nodeKey === undefined) throw new MalformedRequest("NodeKey is missing or malformed");
  if (update === undefined) throw new MalformedRequest("Update is missing");
  const node = nodeOfSession(runtime.tailnet, request.machineKey, nodeKey);
  if (node === undefined) return text(404, "node not found; log in again");
  const outcome = runtime.execute({ kind: "node", nodeKey }, (tailnet) => setOwnAttributes(tailnet, node, update, now));
  if (outcome.ok) return json({});
  const status = outcome.refusal.reason === "not-permitted" ? 403 : 400;
  return text(status, describeRefusal(outcome.refusal));
};
