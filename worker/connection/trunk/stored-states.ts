// States of connections that the attachment of their trunk has no room for: a few of many clients that all leave much
// unfinished. Storage is synchronous and passes the same output gate as what is sent.

const PREFIX = "trunk/";

/** The states of all trunks of one object that lie in storage. */
export class StoredStates {
  readonly #kv: SyncKvStorage;

  constructor(kv: SyncKvStorage) {
    this.#kv = kv;
  }

  /** Stores the state of a channel in place of an older one. */
  put(trunkId: string, channel: number, state: Uint8Array): void {
    this.#kv.put(keyOf(trunkId, channel), state);
  }

  /** The state of a channel, if it lies here. */
  get(trunkId: string, channel: number): Uint8Array | undefined {
    return this.#kv.get<Uint8Array>(keyOf(trunkId, channel));
  }

  /** Forgets the state of a channel. */
  delete(trunkId: string, channel: number): void {
    this.#kv.delete(keyOf(trunkId, channel));
  }

  /** Forgets the states of trunks that no longer exist. */
  keepOnly(trunkIds: ReadonlySet<string>): void {
    const keys = [...this.#kv.list({ prefix: PREFIX })].map(([key]) => key);
    for (const key of keys) {
      const id = key.slice(PREFIX.length, key.indexOf("/", PREFIX.length));
      if (!trunkIds.has(id)) this.#kv.delete(key);
    }
  }
}

function keyOf(trunkId: string, channel: number): string {
  return `${PREFIX}${trunkId}/${channel}`;
}
