// The contents of all sources of a plan, kept in step with the nodes.
import type { Journal } from "../journal.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import type { SourceTemplate } from "../plan.ts";
import { SourceContent, type SourceWorld } from "./source-content.ts";

/** What keeping contents reads of the tailnet, besides what rendering one does. */
export interface SourcesWorld extends SourceWorld {
  /** Nodes selected by one of the atoms. */
  membersOf(atoms: readonly number[]): readonly NodeRecord[];
}

/** Contents by source. */
export class SourceContents {
  readonly #world: SourcesWorld;
  readonly #contents: readonly SourceContent[];
  readonly #narrowed: readonly SourceContent[];
  readonly #withRoutes: readonly SourceContent[];

  /** Contents for a tailnet as it stands; what `earlier`, of the same nodes, knew of a source is taken over. */
  constructor(world: SourcesWorld, earlier: SourceContents | null) {
    this.#world = world;
    const known = new Map(
      (earlier === null ? [] : earlier.#contents).map((content) => [content.template.key, content]),
    );
    this.#contents = world.plan.sources.map((template) => {
      return known.get(template.key)?.copyFor(template) ?? contentNow(template, world);
    });
    this.#narrowed = this.#contents.filter((content) => content.template.isNarrowed);
    this.#withRoutes = this.#contents.filter((content) => content.template.hasAny);
  }

  of(source: number): SourceContent {
    return this.#contents[source] as SourceContent;
  }

  /** Adds a node to the sources that list it. */
  join(record: NodeRecord, journal: Journal): void {
    for (const source of record.class.memberOf) {
      this.#note(source, journal);
      this.of(source).join(record);
    }
    this.#noteNarrowed(journal);
  }

  /** Removes a node that joined as it is. */
  leave(record: NodeRecord, journal: Journal): void {
    for (const source of record.class.memberOf) {
      this.#note(source, journal);
      this.of(source).leave(record);
    }
    this.#noteNarrowed(journal);
  }

  /** Lets the list of subnet routes change, which sources with `*` hold. */
  changeRoutes(journal: Journal, change: () => void): void {
    for (const content of this.#withRoutes) this.#note(content.template.index, journal);
    change();
    for (const content of this.#withRoutes) content.forget();
  }

  #note(source: number, journal: Journal): void {
    if (!journal.sources.has(source)) journal.sources.set(source, this.of(source).knownKey(this.#world));
  }

  /** Literals narrowed by postures depend on every node with an address inside them. */
  #noteNarrowed(journal: Journal): void {
    for (const content of this.#narrowed) {
      this.#note(content.template.index, journal);
      content.forget();
    }
  }
}

function contentNow(template: SourceTemplate, world: SourcesWorld): SourceContent {
  const content = new SourceContent(template);
  for (const record of world.membersOf(template.atoms)) content.join(record);
  return content;
}
