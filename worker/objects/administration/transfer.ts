// Export and import of the whole tailnet (docs/move.md). An export holds the private keys, by which another deployment
// becomes this tailnet in the eyes of its clients.
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { refused } from "../../tailnet/change.ts";
import {
  adoptTailnet,
  type TransferContent,
  toTransferred,
  whyNotEmpty,
  withImporter,
} from "../../tailnet/transfer.ts";
import type { ResourceContext } from "./resource-context.ts";

/** What an import made. */
export interface ImportResult {
  readonly users: number;
  readonly nodes: number;
  /** The same file was imported before: nothing was done. */
  readonly isRepeated: boolean;
}

/** Export and import. */
export class Transfer {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Everything, as it is at this moment, in pieces of JSON. */
  export(): ReadableStream<Uint8Array> {
    const { tailnet, transferPort } = this.#context;
    const content: TransferContent = { keys: transferPort.keys(), tailnet: toTransferred(tailnet, Date.now()) };
    return new Blob([JSON.stringify(content)]).stream();
  }

  /** Becomes the tailnet of a file, all of it or nothing; the same file again changes nothing. @param digest of the file */
  import({ keys, tailnet: given }: TransferContent, digest: string): Outcome<ImportResult> {
    const { actor, tailnet, transferPort } = this.#context;
    const counts = { users: given.users.length, nodes: given.nodes.length };
    if (transferPort.importedDigest() === digest) return { ok: true, result: { ...counts, isRepeated: true } };
    const token = actor.kind === "user" && actor.tokenId !== null ? tailnet.apiTokens.get(actor.tokenId) : undefined;
    if (actor.kind !== "user" || token === undefined) return refused({ reason: "forbidden" });
    const problem = whyNotEmpty(tailnet);
    if (problem !== undefined) return refused({ reason: "conflict", detail: problem });
    const adopted = withImporter(given, actor, token);
    const decision = adoptTailnet(adopted);
    if (!decision.ok) return decision;
    transferPort.replace({ changes: decision.changes, primaries: given.primaries, keys, digest }, actor);
    return { ok: true, result: { users: adopted.users.length, nodes: counts.nodes, isRepeated: false } };
  }
}
