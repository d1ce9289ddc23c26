// Who may reach what under a policy file: in force, or in the body of the request and not saved.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { resultOf } from "../../../../middleware/on-error.ts";
import { readText } from "../../../../middleware/request-body.ts";
import type { NamedDevice } from "../../../../objects/administration/policy-forecast.ts";
import { portsText, protocolName } from "../../../../policy/language/rules/traffic.ts";
import {
  POLICY_MAX_FORESEEN_DEVICES,
  POLICY_MAX_PREVIEW_FOR,
  POLICY_MAX_REACH_DEVICES,
  POLICY_MAX_TEXT,
} from "../../../../protocol/limits.ts";
import { reachOf } from "../access.ts";
import { apiRoute, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";
import { bothForms } from "./acl.ts";

const device = {
  nodeId: z.string(),
  name: z.string().optional().openapi({ description: "For callers who may read devices." }),
};

const Access = z
  .object({
    proto: z.string().optional().openapi({ description: "Absent: TCP, UDP and ICMP." }),
    ports: z.array(z.string()),
    dst: z.array(z.string()).optional().openapi({
      description:
        "Addresses of the receiver, ranges that it carries, or `*` for everything that it has and carries. For callers who may read devices.",
    }),
  })
  .openapi("PolicyAccess");

const Reach = z
  .object({
    total: z.number().int().openapi({ description: "Devices that were asked about." }),
    devices: z
      .array(
        z.object({
          ...device,
          total: z.number().int().openapi({ description: "Peers with access." }),
          peers: z
            .array(z.object({ ...device, access: z.array(Access) }))
            .openapi({ description: `The first ${POLICY_MAX_FORESEEN_DEVICES}.` }),
        }),
      )
      .openapi({ description: `The first ${POLICY_MAX_REACH_DEVICES}.` }),
  })
  .openapi("PolicyReach");

const whom = z.string().max(POLICY_MAX_PREVIEW_FOR).optional();

const askPolicyReach = apiRoute("askPolicyReach", {
  method: "post",
  path: "/tailnet/{tailnet}/acl/reach",
  tags: ["Policy file"],
  summary: "Show who may reach what",
  description:
    "What devices may send to their peers (`from`), or what these may send to them (`to`), under the file in the body, or the one in force when the body is empty; nothing is saved. An extension of flarescale.",
  request: {
    params: z.object({ tailnet: TailnetName }),
    query: z.object({
      from: whom.openapi({ description: "A device id, a login name, or `tag:name`." }),
      to: whom.openapi({ description: "The same; one of the two is wanted." }),
    }),
    body: { content: bothForms },
  },
  responses: { 200: reply(Reach, "Who may reach what") },
});

/** Who may reach what. */
export const aclReachRoutes = new OpenAPIHono<{ Bindings: Env }>();

aclReachRoutes.openapi(askPolicyReach, async (c) => {
  const { from, to } = c.req.valid("query");
  const name = from ?? to;
  if (name === undefined || (from !== undefined && to !== undefined)) {
    throw new HTTPException(400, { message: "one of from and to is wanted" });
  }
  const text = await readText(c.req.raw, POLICY_MAX_TEXT);
  const direction = from === undefined ? "to" : "from";
  const { total, devices } = resultOf(await c.var.administration.policyFile.reach(text, direction, name));
  const seesDevices = reachOf(c.var.actor, "devices:core:read") === "all";
  const named = ({ nodeId, name: own }: NamedDevice) => ({ nodeId, ...(seesDevices && { name: own }) });
  const shown = devices.map((one) => ({
    ...named(one),
    total: one.total,
    peers: one.peers.map((peer) => ({
      ...named(peer),
      access: peer.access.map(({ protocol, ports, destinations }) => ({
        ...(protocol !== null && { proto: protocolName(protocol) }),
        ports: ports.map(portsText),
        ...(seesDevices && { dst: [...destinations] }),
      })),
    })),
  }));
  return c.json({ total, devices: shown }, 200);
});
