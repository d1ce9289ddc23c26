// Integrations with device management systems (api-v2.md 2.19). Secrets stay here.
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import {
  createPostureIntegration,
  deletePostureIntegration,
  type PostureSpec,
  updatePostureIntegration,
} from "../../tailnet/commands/configuration/posture-integrations.ts";
import type { PostureIntegration } from "../../tailnet/entities/configuration/posture-integration.ts";
import type { ResourceContext } from "./resource-context.ts";

/** An integration without its secret. */
export type PostureIntegrationRecord = Omit<PostureIntegration, "clientSecret">;

/** The integrations of a tailnet. */
export class PostureIntegrations {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** All integrations, oldest first. */
  list(): PostureIntegrationRecord[] {
    return [...this.#context.tailnet.records["posture-integrations"].values()].map(withoutSecret);
  }

  /** One integration. */
  get(id: string): PostureIntegrationRecord | null {
    const known = this.#context.tailnet.records["posture-integrations"].get(id);
    return known === undefined ? null : withoutSecret(known);
  }

  /** Makes one. */
  create(spec: PostureSpec): Outcome<PostureIntegrationRecord> {
    const outcome = this.#context.execute((tailnet, context) => createPostureIntegration(tailnet, spec, context));
    return outcome.ok ? { ok: true, result: withoutSecret(outcome.result) } : outcome;
  }

  /** Changes one. */
  update(id: string, spec: Partial<PostureSpec>): Outcome<PostureIntegrationRecord> {
    const outcome = this.#context.execute((tailnet, { now }) => updatePostureIntegration(tailnet, id, spec, now));
    return outcome.ok ? { ok: true, result: withoutSecret(outcome.result) } : outcome;
  }

  /** Removes one. */
  remove(id: string): Outcome<null> {
    return this.#context.execute((tailnet) => deletePostureIntegration(tailnet, id));
  }
}

function withoutSecret(known: PostureIntegration): PostureIntegrationRecord {
  const { id, provider, cloudId, clientId, tenantId, updatedAt } = known;
  return { id, provider, cloudId, clientId, tenantId, updatedAt };
}
