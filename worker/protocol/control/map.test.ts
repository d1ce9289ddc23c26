import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readU32 } from "../bytes.ts";
import { NODE_MAX_ENDPOINTS } from "../limits.ts";
import { MalformedRequest } from "./json.ts";
import { frameMapResponse, parseMapRequest } from "./map.ts";

const NODE_KEY = `nodekey:${"01".repeat(32)}`;
const DISCO_KEY = `discokey:${"02".repeat(32)}`;
const ZERO = "0".repeat(64);

/** A lite update as a client sends it. */
const REQUEST = {
  Version: 145,
  Compress: "zstd",
  KeepAlive: true,
  NodeKey: NODE_KEY,
  DiscoKey: DISCO_KEY,
  Hostinfo: { Hostname: "laptop" },
  Endpoints: ["198.51.100.9:41641"],
  EndpointTypes: [2],
  OmitPeers: true,
};

describe("parseMapRequest", () => {
  it("reads a lite update", () => {
    expect(parseMapRequest(REQUEST)).toEqual({
      version: 145,
      nodeKey: NODE_KEY,
      discoKey: DISCO_KEY,
      wantsStream: false,
      omitsPeers: true,
      isReadOnly: false,
      hostinfo: { Hostname: "laptop" },
      endpoints: ["198.51.100.9:41641"],
    });
  });

  it("reads absent fields as the zero values that the client left out", () => {
    expect(parseMapRequest({ Version: 113, NodeKey: NODE_KEY, DiscoKey: `discokey:${ZERO}`, Hostinfo: null })).toEqual({
      version: 113,
      nodeKey: NODE_KEY,
      discoKey: null,
      wantsStream: false,
      omitsPeers: false,
      isReadOnly: false,
      hostinfo: null,
      endpoints: [],
    });
  });

  it.each([
    ["NodeKey", undefined],
    ["NodeKey", `nodekey:${ZERO}`],
    ["NodeKey", "nodekey:1"],
    ["DiscoKey", "discokey:1"],
    ["DiscoKey", NODE_KEY],
    ["Version", undefined],
    ["Version", 0],
    ["Version", -1],
    ["Version", 1.5],
    ["Version", 2 ** 31],
    ["Stream", "true"],
    ["OmitPeers", 1],
    ["ReadOnly", {}],
    ["Hostinfo", "laptop"],
    ["Endpoints", "198.51.100.9:41641"],
    ["Endpoints", [1]],
  ])("refuses a %s of %j", (name, value) => {
    expect(() => parseMapRequest({ ...REQUEST, [name]: value })).toThrow(MalformedRequest);
  });

  it("reads or refuses, whatever the fields hold", () => {
    const fields = fc.dictionary(fc.constantFrom(...Object.keys(REQUEST)), fc.jsonValue());
    fc.assert(
      fc.property(fields, (changed) => {
        try {
          parseMapRequest({ ...REQUEST, ...changed });
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedRequest);
        }
      }),
    );
  });
});

describe("endpoints of a map request", () => {
  const kept = (Endpoints: string[]) => parseMapRequest({ ...REQUEST, Endpoints }).endpoints;

  it.each(["198.51.100.9:41641", "[2001:db8::9]:41641", "[fec0::1]:1", "[::ffff:198.51.100.9]:65535", "10.0.0.1:1"])(
    "keep %s",
    (endpoint) => {
      expect(kept([endpoint])).toEqual([endpoint]);
    },
  );

  it.each([
    "fe80::1",
    "[fe80::1]:41641",
    "[FEBF::1]:41641",
    "[fe80::1%eth0]:41641",
    "198.51.100.9:0",
    "198.51.100.9:65536",
    "198.51.100.9:99999",
    "198.51.100.9",
    "198.51.100.999:1",
    "198.51.100.09:1",
    "[198.51.100.9]:1",
    "2001:db8::9:1",
    "[2001:db8::9:1",
    "[:::]:1",
    "[1:2:3:4:5:6:7]:1",
    "example.com:1",
    ":1",
    "",
    `${"1".repeat(1000)}:1`,
  ])("leave out %j", (endpoint) => {
    expect(kept([endpoint, "10.0.0.1:1"])).toEqual(["10.0.0.1:1"]);
  });

  it(`keep the first ${NODE_MAX_ENDPOINTS} usable ones, in order`, () => {
    const many = Array.from({ length: 200 }, (_, i) => `10.0.${i}.1:1`);
    expect(kept(["[fe80::1]:1", ...many])).toEqual(many.slice(0, NODE_MAX_ENDPOINTS));
  });
});

describe("frameMapResponse", () => {
  it("puts the length in front, little-endian", () => {
    const payload = Uint8Array.from({ length: 0x0102 }, (_, i) => i);
    const framed = frameMapResponse(payload);
    expect([...framed.subarray(0, 4)]).toEqual([0x02, 0x01, 0, 0]);
    expect(framed.subarray(4)).toEqual(payload);
    expect(readU32(framed, 0)).not.toBe(payload.length);
  });
});
