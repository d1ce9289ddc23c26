import { afterEach, describe, expect, it, vi } from "vitest";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import { DeviceTexts } from "./device-texts.ts";
import { toDevice } from "./to-device.ts";

const deployment = {
  tailnetName: "example.com",
  magicDnsSuffix: "tail.example",
  derpMap: { Regions: {} },
  controlUrl: "https://control.example.com",
};

function sample() {
  const t = new TestTailnet();
  const ann = t.user("ann");
  const node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
  return { t, ann, node, texts: new DeviceTexts(deployment) };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("DeviceTexts", () => {
  it("are the devices as JSON, also after the node and its owner changed", () => {
    const { t, ann, node, texts } = sample();
    const expectCurrent = () => {
      const now = t.node(node);
      expect(JSON.parse(texts.of(t.tailnet, now))).toEqual(toDevice(t.tailnet, now, deployment));
    };
    expectCurrent();
    t.report(node, { OSVersion: "7", IPNVersion: "9.9.9" });
    expectCurrent();
    expect(texts.of(t.tailnet, t.node(node))).toContain("9.9.9");
    t.apply([{ type: "user-put", user: { ...ann, loginName: "anna@example.com" } }]);
    expectCurrent();
    expect(texts.of(t.tailnet, t.node(node))).toContain("anna@example.com");
  });

  it("are encoded once for a record", () => {
    const { t, node, texts } = sample();
    const first = texts.of(t.tailnet, node);
    const stringify = vi.spyOn(JSON, "stringify");
    expect(texts.of(t.tailnet, node)).toBe(first);
    expect(stringify).not.toHaveBeenCalled();
  });
});
