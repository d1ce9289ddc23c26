import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import { diffPeer } from "../mapper/peer-change.ts";
import { type Effects, noEffects } from "../tailnet/effects.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { GatheredNews } from "./gathered-news.ts";

let t: TestTailnet;
let kept: Map<string, unknown>;
let told: Effects[];
let news: GatheredNews;

/** Storage that outlives an instance. */
const kv = {
  get: (key: string) => kept.get(key),
  put: (key: string, value: unknown) => void kept.set(key, value),
  delete: (key: string) => kept.delete(key),
} as SyncKvStorage;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  t = new TestTailnet();
  kept = new Map();
  told = [];
  news = new GatheredNews({ kv, listeners: () => 100, deliver: (effects) => void told.push(effects) });
});

afterEach(() => vi.useRealTimers());

function someNode(number: number): Node {
  return t.join({ machine: number, key: number, authKey: t.authKey(t.user(`user${number}`)) });
}

function change(before: Node, changed: Partial<Node>): Effects {
  const effects = noEffects();
  effects.nodes.set(before.id, { before, after: { ...before, ...changed } });
  return effects;
}

const moved = (node: Node, port: number) => change(node, { endpoints: [`192.0.2.1:${port}`] });

/** A node that joins a tailnet in which others are. */
function joining(number: number): Effects {
  someNode(number);
  return t.effects;
}

describe("news that may wait", () => {
  it("is told at once when nothing was told just before", () => {
    news.tell(moved(someNode(1), 1), Date.now());
    expect(told).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits for the next round otherwise, and is told with all that came meanwhile", () => {
    const [one, two] = [someNode(1), someNode(2)];
    for (const [node, port] of [
      [one, 1],
      [one, 2],
      [two, 3],
      [one, 4],
    ] as const)
      news.tell(moved(node, port), Date.now());
    expect(told).toHaveLength(1);
    vi.advanceTimersByTime(100);
    expect(told).toHaveLength(2);
    expect(told[1]?.nodes.get(one.id)?.after?.endpoints).toEqual(["192.0.2.1:4"]);
    expect([...(told[1]?.nodes.keys() ?? [])]).toEqual([one.id, two.id]);
    expect(kept.size).toBe(0);
  });

  it("is gathered when many nodes join at once", () => {
    for (const number of [1, 2, 3, 4]) news.tell(joining(number), Date.now());
    expect(told).toHaveLength(1);
    vi.advanceTimersByTime(100);
    expect([...(told[1]?.nodes.keys() ?? [])]).toEqual([2, 3, 4]);
    expect(kept.size).toBe(0);
  });

  it("goes along with news that may not wait, before it", () => {
    const [one, two] = [someNode(1), someNode(2)];
    news.tell(moved(one, 1), Date.now());
    news.tell(moved(one, 2), Date.now());
    news.tell(change(two, { name: "renamed" }), Date.now());
    expect([...(told[1]?.nodes.keys() ?? [])]).toEqual([one.id, two.id]);
    vi.advanceTimersByTime(1_000);
    expect(told).toHaveLength(2);
  });

  it("is none when no peer could tell the difference", () => {
    const node = someNode(1);
    news.tell(change(node, { disconnectedAt: 5 }), Date.now());
    expect(told).toEqual([]);
  });
});

describe("an instance that is lost", () => {
  it("leaves a mark while news waits, by which the next one tells all that patches can tell", () => {
    const node = { ...someNode(1), isOnline: true, homeDerp: 901, endpoints: ["192.0.2.1:7"] };
    news.tell(moved(node, 1), Date.now());
    news.tell(moved(node, 2), Date.now());
    expect(GatheredNews.isLost(kv)).toBe(true);

    const next = new GatheredNews({ kv, listeners: () => 100, deliver: (effects) => void told.push(effects) });
    next.recover({ ...t.tailnet, nodes: new Map([[node.id, node]]) }, Date.now());
    const effect = told[1]?.nodes.get(node.id);
    expect(effect?.before && effect.after && diffPeer(effect.before, effect.after)).toEqual({
      NodeID: node.id,
      Online: true,
      DERPRegion: 901,
      Endpoints: ["192.0.2.1:7"],
      Cap: node.capabilityVersion,
    });
    expect(GatheredNews.isLost(kv)).toBe(false);
  });

  it("has its successor tell of nodes that joined, whole, and of the rules that name them", () => {
    const before = someNode(1);
    news.tell(moved(before, 1), Date.now());
    for (const change of [moved(before, 2), joining(2), joining(3)]) news.tell(change, Date.now());
    expect(told).toHaveLength(1);

    const next = new GatheredNews({ kv, listeners: () => 100, deliver: (effects) => void told.push(effects) });
    next.recover(t.tailnet, Date.now());
    expect([...(told[1]?.nodes ?? [])].filter(([, { before }]) => before === null).map(([id]) => id)).toEqual([2, 3]);
    const [policy] = told[1]?.policy ?? [];
    expect([...(policy?.viewers ?? [])].map(([id, { added }]) => [id, added])).toEqual([
      [1, [2, 3]],
      [3, [2]],
      [2, [3]],
    ]);
    expect(policy?.filters).toEqual(new Set([1, 2, 3]));
    expect(GatheredNews.isLost(kv)).toBe(false);
  });

  it("leaves none when nothing waits", () => {
    news.tell(moved(someNode(1), 1), Date.now());
    news.recover(t.tailnet, Date.now());
    expect(told).toHaveLength(1);
  });
});
