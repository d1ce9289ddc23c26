// Many scripted nodes of one tailnet, and the instants at which what happens reaches each of them.
import { type ControlAddress, type MapMessage, ScriptedNode } from "../e2e/support/scripted-node.ts";

/** Handshakes that the load program has under way at a time; more would only measure its own queue. */
const CONCURRENCY = 16;
const ARRIVAL_TIMEOUT_MS = 60_000;

/** A node of the fleet. */
export interface Member {
  readonly node: ScriptedNode;
  /** Its numeric id, known once it has its first map. */
  id: number;
  /** Whoever waits for a message of its stream. */
  listeners: Set<(message: MapMessage, at: number) => void>;
}

/** The nodes. */
export class Fleet {
  readonly members: Member[] = [];
  readonly #address: ControlAddress;
  readonly #authKey: string;

  constructor(address: ControlAddress, authKey: string) {
    this.#address = address;
    this.#authKey = authKey;
  }

  /** Connects and registers new nodes until there are `count`. */
  async grow(count: number): Promise<void> {
    const fresh = Array.from({ length: count - this.members.length }, (_, i) =>
      member(`bench-${this.members.length + i + 1}`),
    );
    await inParallel(fresh, async ({ node }) => {
      await node.connect(this.#address);
      await node.register(this.#authKey);
    });
    this.members.push(...fresh);
  }

  /** Connects, registers and starts one more node, which the fleet does not keep; resolves when it has its map. */
  async join(hostname: string): Promise<{ readonly member: Member; readonly at: number }> {
    const newcomer = member(hostname);
    await newcomer.node.connect(this.#address);
    await newcomer.node.register(this.#authKey);
    return { member: newcomer, at: await openMap(newcomer) };
  }

  /** Opens the map streams of all nodes that are connected; resolves when each has its first map. */
  async openMaps(members: readonly Member[] = this.members): Promise<void> {
    await inParallel(members, async (each) => void (await openMap(each)));
  }

  /** Every node connects anew and gets its map. */
  async reconnect(): Promise<void> {
    for (const { node } of this.members) node.disconnect();
    await inParallel(this.members, async (each) => {
      await each.node.connect(this.#address);
      await openMap(each);
    });
  }

  /** When each node but those left out got a message that matches, in milliseconds after `since`, sorted. */
  async arrivals(since: number, matches: (message: MapMessage) => boolean, without?: Member): Promise<number[]> {
    const among = this.members.filter((each) => each !== without);
    const instants = await Promise.all(among.map((each) => arrival(each, matches)));
    return instants.map((at) => at - since).toSorted((a, b) => a - b);
  }
}

/** When a node gets the first message that matches. @throws Error when none comes */
async function arrival(member: Member, matches: (message: MapMessage) => boolean): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const timer = setTimeout(() => reject(new Error(`${member.node.hostname} was not told`)), ARRIVAL_TIMEOUT_MS);
  const listener = (message: MapMessage, at: number) => {
    if (matches(message)) resolve(at);
  };
  member.listeners.add(listener);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    member.listeners.delete(listener);
  }
}

async function openMap(member: Member): Promise<number> {
  const first = arrival(member, (message) => message.Node !== undefined);
  member.node.openMap((message, at) => {
    if (message.Node !== undefined) member.id = message.Node.ID;
    for (const listener of member.listeners) listener(message, at);
  });
  return first;
}

function member(hostname: string): Member {
  return { node: new ScriptedNode(hostname), id: 0, listeners: new Set() };
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
