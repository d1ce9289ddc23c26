// What a policy file means before it is in force: which rules apply to whom (api-v2.md 2.6), and what would change.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { resultOf } from "../../../../middleware/on-error.ts";
import { readText } from "../../../../middleware/request-body.ts";
import type { DeviceSample, NamedDevice } from "../../../../objects/administration/policy-forecast.ts";
import { PREVIEW_TYPES, parsePreviewSubject } from "../../../../policy/preview.ts";
import {
  POLICY_MAX_FORESEEN_DEVICES,
  POLICY_MAX_FORESEEN_PEERS,
  POLICY_MAX_TEXT,
} from "../../../../protocol/limits.ts";
import { reachOf } from "../access.ts";
import { apiRoute, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";
import { bothForms, sentenceOf } from "./acl.ts";

const sentences = z.array(z.string()).readonly();

const Preview = z
  .object({
    matches: z.array(
      z.object({
        users: sentences.openapi({ description: "Sources of the rule, as written." }),
        ports: sentences.openapi({ description: "Destinations with ports, as written." }),
        lineNumber: z
          .number()
          .int()
          .openapi({ description: "Line of the body; 0: the rule of a file without acls and grants." }),
        via: sentences.optional(),
        postures: sentences.optional(),
      }),
    ),
    type: z.enum(PREVIEW_TYPES),
    previewFor: z.string(),
    postures: z.record(z.string(), sentences).optional().openapi({ description: "Conditions of the postures named." }),
  })
  .openapi("PolicyPreview");

const previewPolicyFile = apiRoute("previewPolicyFile", {
  method: "post",
  path: "/tailnet/{tailnet}/acl/preview",
  tags: ["Policy file"],
  summary: "Show which rules of a policy file apply",
  description:
    "To a user or tag as source, or to an address and port as destination. The file in the body is not saved. That a tag may be asked for is an extension of flarescale.",
  request: {
    params: z.object({ tailnet: TailnetName }),
    query: z.object({
      type: z.enum(PREVIEW_TYPES),
      previewFor: z.string().openapi({
        description: "`user`: a login name or `tag:name`; `ipport`: `100.64.0.1:22` or `[fd7a:115c:a1e0::1]:22`.",
      }),
    }),
    body: { content: bothForms },
  },
  responses: { 200: reply(Preview, "The rules that apply") },
});

const PeerSample = z
  .object({
    total: z.number().int(),
    devices: z
      .array(z.object({ nodeId: z.string(), name: z.string().optional() }))
      .openapi({ description: `The first ${POLICY_MAX_FORESEEN_PEERS}.` }),
  })
  .openapi("PolicyChangePeers");

const Forecast = z
  .object({
    total: z.number().int().openapi({ description: "Devices for which something would change." }),
    devices: z
      .array(
        z.object({
          nodeId: z.string(),
          name: z.string().optional().openapi({ description: "For callers who may read devices." }),
          gainedPeers: PeerSample,
          lostPeers: PeerSample,
          changedPeers: PeerSample.openapi({ description: "With other addresses, routes or capabilities." }),
          packetFilter: z.boolean().openapi({ description: "Whether what may be sent to it changes." }),
          ssh: z.boolean().openapi({ description: "Whether who may log in to it changes." }),
          self: z.boolean().openapi({ description: "Whether its own attributes, addresses or routes change." }),
        }),
      )
      .openapi({ description: `The first ${POLICY_MAX_FORESEEN_DEVICES}.` }),
  })
  .openapi("PolicyChanges");

const foreseePolicyFile = apiRoute("foreseePolicyFile", {
  method: "post",
  path: "/tailnet/{tailnet}/acl/changes",
  tags: ["Policy file"],
  summary: "Show what a policy file would change for which devices",
  description:
    "Compares the tailnet as it is with what it would be with the file in the body, routes approved by it included. Refused as saving it would be; nothing is saved. An extension of flarescale.",
  request: { params: z.object({ tailnet: TailnetName }), body: { content: bothForms } },
  responses: { 200: reply(Forecast, "What would change") },
});

/** Previews of a policy file. */
export const aclPreviewRoutes = new OpenAPIHono<{ Bindings: Env }>();

aclPreviewRoutes.openapi(previewPolicyFile, async (c) => {
  const { type, previewFor } = c.req.valid("query");
  const subject = parsePreviewSubject(type, previewFor);
  if (typeof subject === "string") throw new HTTPException(400, { message: subject });
  const text = await readText(c.req.raw, POLICY_MAX_TEXT);
  const preview = await c.var.administration.policyFile.preview(text, subject);
  if (!preview.ok) throw new HTTPException(400, { message: preview.problems.map(sentenceOf)[0] ?? "invalid" });
  const { matches, postures } = preview;
  const shown = matches.map(({ users, ports, line, via, postures: asked }) => {
    return {
      users,
      ports,
      lineNumber: line,
      ...(via.length > 0 && { via }),
      ...(asked.length > 0 && { postures: asked }),
    };
  });
  return c.json({ matches: shown, type, previewFor, ...(Object.keys(postures).length > 0 && { postures }) }, 200);
});

aclPreviewRoutes.openapi(foreseePolicyFile, async (c) => {
  const text = await readText(c.req.raw, POLICY_MAX_TEXT);
  const { total, devices } = resultOf(await c.var.administration.policyFile.foresee(text));
  const seesNames = reachOf(c.var.actor, "devices:core:read") === "all";
  const named = ({ nodeId, name }: NamedDevice) => ({ nodeId, ...(seesNames && { name }) });
  const peers = (sample: DeviceSample) => ({ total: sample.total, devices: sample.devices.map(named) });
  const shown = devices.map((device) => ({
    ...named(device),
    gainedPeers: peers(device.gainedPeers),
    lostPeers: peers(device.lostPeers),
    changedPeers: peers(device.changedPeers),
    packetFilter: device.hasNewFilter,
    ssh: device.hasNewSSH,
    self: device.hasNewSelf,
  }));
  return c.json({ total, devices: shown }, 200);
});
