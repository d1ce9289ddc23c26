// Integrations with device management systems: stored and shown (api-v2.md 2.19).
import { type Decision, decided, refused } from "../../change.ts";
import type { PostureIntegration } from "../../entities/configuration/posture-integration.ts";
import { randomText } from "../../entities/secret-token.ts";
import type { Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** What a caller says of an integration; empty: not given. */
export type PostureSpec = Omit<PostureIntegration, "id" | "updatedAt">;

/** Makes an integration; one for each provider. */
export function createPostureIntegration(
  tailnet: Tailnet,
  spec: PostureSpec,
  { now, random }: CommandContext,
): Decision<PostureIntegration> {
  if (spec.clientSecret === "") return refused({ reason: "invalid", detail: "clientSecret: required" });
  for (const known of tailnet.records["posture-integrations"].values()) {
    if (known.provider === spec.provider) {
      return refused({ reason: "conflict", detail: `an integration with ${spec.provider} exists already` });
    }
  }
  return put({ id: `p${randomText(random, 11)}CNTRL`, ...spec, updatedAt: now });
}

/** Changes what is given; the provider stays. */
export function updatePostureIntegration(
  tailnet: Tailnet,
  id: string,
  spec: Partial<PostureSpec>,
  now: number,
): Decision<PostureIntegration> {
  const known = tailnet.records["posture-integrations"].get(id);
  if (known === undefined) return refused({ reason: "not-found", what: "posture integration" });
  if (spec.provider !== undefined && spec.provider !== known.provider) {
    return refused({ reason: "invalid", detail: "provider: can not be changed" });
  }
  const changed = Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined && value !== ""));
  return put({ ...known, ...changed, updatedAt: now });
}

/** Removes an integration. */
export function deletePostureIntegration(tailnet: Tailnet, id: string): Decision<null> {
  const collection = "posture-integrations";
  if (!tailnet.records[collection].has(id)) return refused({ reason: "not-found", what: "posture integration" });
  return decided(null, [{ type: "record-removed", collection, id }]);
}

function put(record: PostureIntegration): Decision<PostureIntegration> {
  return decided(record, [{ type: "record-put", collection: "posture-integrations", record }]);
}
