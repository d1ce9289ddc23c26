// Issuers whose keys are given to this server, and the giving (docs/federation.md).
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import {
  createIssuer,
  deleteIssuer,
  type IssuerSpec,
  setIssuerKeys,
  updateIssuer,
} from "../../tailnet/commands/credentials/manage-issuers.ts";
import type { Issuer } from "../../tailnet/entities/configuration/issuer.ts";
import { bareKeyId } from "./keys.ts";
import type { ResourceContext } from "./resource-context.ts";

/** The issuers of a tailnet. */
export class Issuers {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** All issuers, oldest first. */
  list(): Issuer[] {
    return [...this.#context.tailnet.records.issuers.values()];
  }

  /** One issuer. */
  get(id: string): Issuer | null {
    return this.#context.tailnet.records.issuers.get(id) ?? null;
  }

  /** Makes one. Ids of federated identities may have the tailnet's in front. */
  create(spec: IssuerSpec): Outcome<Issuer> {
    const publishers = this.#bareIds(spec.publishers);
    return this.#context.execute((tailnet, context) => createIssuer(tailnet, { ...spec, publishers }, context));
  }

  /** Changes one. */
  update(id: string, spec: Parameters<typeof updateIssuer>[2]): Outcome<Issuer> {
    const publishers = spec.publishers && this.#bareIds(spec.publishers);
    const change = { ...spec, ...(publishers && { publishers }) };
    return this.#context.execute((tailnet, context) => updateIssuer(tailnet, id, change, context));
  }

  /** Sets the keys of one. */
  setKeys(id: string, jwks: string): Outcome<Issuer> {
    return this.#context.execute((tailnet, context) => setIssuerKeys(tailnet, id, jwks, context));
  }

  /** Removes one. */
  remove(id: string): Outcome<null> {
    return this.#context.execute((tailnet, context) => deleteIssuer(tailnet, id, context));
  }

  #bareIds(ids: readonly string[]): string[] {
    return [...new Set(ids.map((id) => bareKeyId(this.#context.tailnetId, id)))];
  }
}
