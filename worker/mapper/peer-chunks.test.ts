import { beforeEach, describe, expect, it } from "vitest";
import { PeerChunks, runOf, type Segment } from "./peer-chunks.ts";

let chunks: PeerChunks;
let texts: Map<number, string>;

beforeEach(() => {
  chunks = new PeerChunks();
  texts = new Map(Array.from({ length: 300 }, (_, i) => [i + 1, JSON.stringify({ ID: i + 1 })]));
});

/** What a viewer gets that sees everybody but itself, or only some. */
function cut(viewer: number, sees: (id: number) => boolean = () => true): Segment[] {
  const runs = Map.groupBy(
    [...texts].filter(([id]) => id !== viewer && sees(id)),
    ([id]) => runOf(id),
  );
  return chunks.cut(
    [...runs].map(([number, peers]) => ({
      number,
      isOwn: number === runOf(viewer),
      peers: peers.map(([, json]) => json),
    })),
  );
}

function idsIn(segments: readonly Segment[]): number[] {
  const list = JSON.parse(`[${segments.map((segment) => segment.text()).join("")}]`) as { ID: number }[];
  return list.map(({ ID }) => ID);
}

const sharedBy = (a: readonly Segment[], b: readonly Segment[]) => a.filter((segment) => b.includes(segment)).length;

describe("peers in chunks", () => {
  it("are all there, in order, whoever looks", () => {
    for (const viewer of [1, 63, 64, 150, 300, 999, 1, 63, 300, 999]) {
      expect(idsIn(cut(viewer))).toEqual([...texts.keys()].filter((id) => id !== viewer));
    }
    expect(cut(1, () => false)).toEqual([]);
  });

  it("are shared but for the chunk that the viewer would be in", () => {
    const [a, b] = [cut(70), cut(200)];
    expect(sharedBy(a, b)).toBe(a.length - 2);
    expect(a.filter(({ isShared }) => !isShared)).toHaveLength(1);
  });

  it("are shared again after a peer changed, but for its chunk", () => {
    const before = cut(200);
    texts.set(70, '{"ID":70,"Online":true}');
    const after = cut(200);
    expect(
      sharedBy(
        before,
        after.filter(({ isShared }) => isShared),
      ),
    ).toBe(before.length - 2);
    expect(after.map((segment) => segment.text()).join("")).toContain('{"ID":70,"Online":true}');
  });

  it("are shared among those who see the same, with others between them", () => {
    const isEven = (id: number) => id % 2 === 0;
    const before = cut(201, isEven);
    cut(200);
    expect(sharedBy(before, cut(203, isEven))).toBe(before.length - 1);
    expect(idsIn(cut(203, isEven)).every(isEven)).toBe(true);
  });

  it("begin with the first that the viewer sees", () => {
    cut(300);
    expect(idsIn(cut(300, (id) => id > 100))[0]).toBe(101);
  });

  it("are one chunk for several runs, for those in none of them, once many asked and nothing changed", () => {
    for (let id = 301; id <= 600; id++) texts.set(id, JSON.stringify({ ID: id }));
    const runs = (segments: readonly Segment[]) =>
      segments.map((segment) => new Set(idsIn([trimmed(segment)]).map(runOf)).size);
    const asked = (times: number) => Array.from({ length: times }, (_, i) => runs(cut(70 + i))).at(-1);
    expect(asked(32)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    expect(asked(1)).toEqual([1, 1, 2, 2, 2, 2]);
    expect(sharedBy(cut(72), cut(130))).toBe(1 + 3);
    texts.set(300, '{"ID":300,"Online":true}');
    expect(asked(32)).toEqual([1, 1, 2, 1, 1, 2, 2]);
    expect(asked(1)).toEqual([1, 1, 2, 2, 2, 2]);
    expect(idsIn(cut(300))).toEqual([...texts.keys()].filter((id) => id !== 300));
  });
});

/** A chunk by itself. */
function trimmed(segment: Segment): Segment {
  return { isShared: segment.isShared, text: () => segment.text().replace(/^,/, "") };
}
