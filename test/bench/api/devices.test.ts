import { describe, expect, it } from "vitest";
import { convertHeadscale } from "../../../agent/transfer/headscale/convert.ts";
import { parseTransfer } from "../../../worker/protocol/transfer/document.ts";
import { toContent } from "../../../worker/routes/api/v2/tailnet/transfer-schema.ts";
import { headscaleRows, TAGS } from "./devices.ts";

describe("headscaleRows", () => {
  it("are a tailnet that can be imported, with the tags in its policy", () => {
    const options = { noiseKey: `privkey:${"a".repeat(64)}`, owner: undefined, loginDomain: "example.net", now: 0 };
    const { tailnet } = toContent(parseTransfer(convertHeadscale(headscaleRows(300), options).text).lines);
    expect(tailnet.nodes.map(({ id }) => id)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    for (const field of ["machineKey", "nodeKey", "name", "ipv4", "ipv6"] as const) {
      expect(new Set(tailnet.nodes.map((node) => node[field])).size).toBe(300);
    }
    for (const tag of TAGS) expect(tailnet.policy.text).toContain(tag);
  });
});
