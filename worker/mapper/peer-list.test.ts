import { beforeEach, describe, expect, it, vi } from "vitest";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { PeerList } from "./peer-list.ts";

const EVERYBODY = `{ "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }] }`;
const COUNT = 150;

let t: TestTailnet;
let list: PeerList;
const encode = vi.fn<(peer: Node) => string>((peer) => `${peer.id} ${peer.isOnline}`);

beforeEach(() => {
  t = new TestTailnet({ policy: EVERYBODY });
  const ann = t.user("ann");
  for (let n = 1; n <= COUNT; n++) t.join({ machine: n, key: n, authKey: t.authKey(ann) });
  const sight = t.tailnet.engine.sightOf(1);
  list = new PeerList(t.tailnet, sight ?? { ids: [] });
  encode.mockClear();
});

const seenBy = (viewer: number) => list.runsFor(viewer, encode).flatMap(({ peers }) => peers);
const others = (viewer: number) => Array.from({ length: COUNT }, (_, i) => i + 1).filter((id) => id !== viewer);

describe("the peers of one sight", () => {
  it("are all but the viewer, in order", () => {
    for (const viewer of [1, 64, 150]) expect(seenBy(viewer)).toEqual(others(viewer).map((id) => `${id} false`));
  });

  it("are encoded once for all viewers, and again when a record has changed", () => {
    for (const viewer of [1, 64, 150]) seenBy(viewer);
    expect(encode).toHaveBeenCalledTimes(COUNT);
    t.connect(70);
    expect(seenBy(1)).toContain("70 true");
    expect(encode).toHaveBeenCalledTimes(COUNT + 1);
  });

  it("are not encoded again because their streams came or went within their grace", () => {
    t.connect(70);
    const before = list.runsFor(1, encode);
    encode.mockClear();
    const record = t.tailnet.nodes.get(70);
    t.disconnect(70);
    expect(t.tailnet.nodes.get(70)).not.toBe(record);
    expect(list.runsFor(1, encode)[1]?.peers).toBe(before[1]?.peers);
    t.connect(70);
    expect(list.runsFor(1, encode)[1]?.peers).toBe(before[1]?.peers);
    expect(encode).not.toHaveBeenCalled();
  });

  it("come in runs that are the same lists for all viewers, but for their own, until a peer looks different", () => {
    const before = list.runsFor(1, encode);
    t.report(70, { OSVersion: "1" }); // another record, which this encoding does not tell apart
    const after = list.runsFor(150, encode);
    const same = before.filter(({ peers }) => after.some((run) => run.peers === peers));
    expect(same.map(({ isOwn }) => isOwn)).toEqual([false]);
    t.connect(70);
    expect(list.runsFor(150, encode)[1]?.peers).not.toBe(after[1]?.peers);
    expect(after[1]?.peers).toContain("70 false");
  });
});
