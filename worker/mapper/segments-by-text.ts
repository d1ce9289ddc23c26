// Texts that many messages hold and that are made anew for each: filters, SSH rules, relays. Equal ones are given one
// segment, so that whoever sends them compresses them once.
import type { Segment } from "./peer-chunks.ts";

/** Texts kept; nodes of one class and user share theirs. */
const TEXTS_MAX = 16;

/** Segments of texts that were met lately. */
export class SegmentsByText {
  /** The one asked for last at the end. */
  readonly #known = new Map<string, Segment>();

  /** The segment of a text, the same for equal texts. */
  segmentOf(text: string): Segment {
    const segment = this.#known.get(text) ?? { isShared: true, text: () => text };
    this.#known.delete(text);
    this.#known.set(text, segment);
    if (this.#known.size > TEXTS_MAX) this.#known.delete(this.#known.keys().next().value ?? "");
    return segment;
  }
}
