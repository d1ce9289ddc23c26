// What full netmaps weigh: keys are drawn anew for every node and shrink to half a byte a digit at best, so a peer's three keys
// are 96 bytes of whatever is measured here.
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { decompressFrames } from "../../agent/control/zstd-frames.ts";
import { DEPLOYMENT } from "../../test/support/netmap-watchers.ts";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import { NetmapEncoder } from "../mapper/netmap-encoder.ts";
import type { DiscoKey, MachineKey, NodeKey } from "../protocol/keys.ts";
import { segmentedMapFrame } from "./map-frame.ts";

const COUNT = 600;

const digits = (what: string, n: number) => createHash("sha256").update(`${what} ${n}`).digest("hex");

/** A tailnet in which all see each other. */
function tailnet(): TestTailnet {
  const t = new TestTailnet({ policy: '{ "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }] }' });
  const authKey = t.authKey(t.user("ann"), { isReusable: true });
  for (let n = 1; n <= COUNT; n++) t.join({ machine: n, key: n, authKey });
  t.apply(
    [...t.tailnet.nodes.values()].map((node) => ({
      type: "node-put",
      node: {
        ...node,
        machineKey: `mkey:${digits("machine", node.id)}` as MachineKey,
        nodeKey: `nodekey:${digits("node", node.id)}` as NodeKey,
        discoKey: `discokey:${digits("disco", node.id)}` as DiscoKey,
        endpoints: [`192.0.2.${node.id % 250}:${1_024 + node.id}`],
        homeDerp: 901,
        isOnline: true,
      },
    })),
  );
  return t;
}

it("a full netmap of many frames is the whole netmap, in less than 136 bytes a peer", () => {
  const t = tailnet();
  const encoder = new NetmapEncoder(DEPLOYMENT);
  const viewers = [1, 300, 600];
  for (const id of Array.from({ length: 24 }, () => viewers).flat()) {
    const node = t.node(id);
    const frame = segmentedMapFrame(encoder.segments(t.tailnet, node, t.now));
    const json = Buffer.from(decompressFrames(frame.subarray(4))).toString();
    expect(JSON.parse(json)).toEqual(JSON.parse(encoder.full(t.tailnet, node, t.now)));
    expect(frame.length / (COUNT - 1), `node ${id}`).toBeLessThan(136);
  }
});
