// Who asks: most endpoints inside Noise name a node key in their JSON body (control-protocol.md 6). The node is looked up
// by it and must be on the machine that the session proves (DESIGN.md 5.1).
import { fromUtf8 } from "../protocol/bytes.ts";
import { type JsonObject, MalformedRequest, parseJsonObject, readString } from "../protocol/control/json.ts";
import { parseNodeKey } from "../protocol/keys.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { nodeOfSession } from "../tailnet/tailnet.ts";
import { type ControlContext, type ControlHandler, type ControlReply, text } from "./control-endpoint.ts";

/** Answers a request of a node that is known. @throws MalformedRequest, answered with 400 */
type NodeHandler = (node: Node, body: JsonObject, context: ControlContext) => ControlReply;

/** A handler of requests that name the node key of their sender; a key of another machine counts as unknown. */
export function forNode(handle: NodeHandler): ControlHandler {
  return (request, context) => {
    const body = parseJsonObject(fromUtf8(request.body));
    const nodeKey = parseNodeKey(readString(body, "NodeKey") ?? "");
    if (nodeKey === undefined) throw new MalformedRequest("NodeKey is missing or malformed");
    const node = nodeOfSession(context.runtime.tailnet, request.machineKey, nodeKey);
    return node === undefined ? text(404, "node not found; log in again") : handle(node, body, context);
  };
}
