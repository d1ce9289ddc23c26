// Bytes that wait for somebody, in one piece of memory that grows with them: many small pieces would cost many times
// what they hold.

/** A queue of bytes. */
export class HeldBytes {
  #memory = Buffer.alloc(0);
  #start = 0;
  #end = 0;

  /** How many wait. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Keeps a copy. */
  add(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#memory.length) this.#makeRoom(bytes.length);
    this.#memory.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Takes the first bytes, `max` at most: a view that is good until others are added. */
  take(max: number): Uint8Array {
    const start = this.#start;
    this.#start = Math.min(this.#end, start + max);
    return this.#memory.subarray(start, this.#start);
  }

  #makeRoom(length: number): void {
    const kept = this.#memory.subarray(this.#start, this.#end);
    this.#memory = Buffer.allocUnsafe(Math.max(kept.length + length, 2 * kept.length));
    this.#memory.set(kept);
    this.#start = 0;
    this.#end = kept.length;
  }
}
