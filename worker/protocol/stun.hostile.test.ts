// Datagrams that nobody's client sends: each has its reason, none is taken for a question, and none makes the decoder throw.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, utf8, writeU16 } from "./bytes.ts";
import { decodeBindingRequest, decodeBindingResponse, encodeBindingRequest, encodeBindingResponse } from "./stun.ts";

const ID = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
const REQUEST = encodeBindingRequest(ID);
const RESPONSE = encodeBindingResponse({ transactionId: ID, address: 0xcb007107n, port: 9 });

/** A message with the right length field; attributes as they are. */
function message(type: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  const bytes = concat([REQUEST.subarray(0, 20), ...attributes]);
  writeU16(bytes, 0, type);
  writeU16(bytes, 2, bytes.length - 20);
  return bytes;
}

/** An attribute; `length` lies when it is given. */
function attribute(type: number, value: Uint8Array, length = value.length): Uint8Array {
  const bytes = new Uint8Array((4 + value.length + 3) & ~3);
  writeU16(bytes, 0, type);
  writeU16(bytes, 2, length);
  bytes.set(value, 4);
  return bytes;
}

const problemOf = (datagram: Uint8Array) => {
  const decoded = decodeBindingRequest(datagram);
  return decoded.ok ? undefined : decoded.problem;
};

const FINGERPRINT = REQUEST.subarray(-8);
const tooMany = Array.from({ length: 17 }, () => attribute(0x8001, new Uint8Array(0)));

describe("what shares a port with STUN", () => {
  it.each([
    ["nothing", new Uint8Array(0)],
    ["less than a header", REQUEST.subarray(0, 19)],
    ["a disco packet", concat([utf8("TS💬"), new Uint8Array(100)])],
    ["a WireGuard handshake", concat([Uint8Array.of(1, 0, 0, 0), new Uint8Array(144)])],
    ["a DNS query", concat([Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0), utf8("\x07example\x00")])],
    ["text", utf8("GET / HTTP/1.1\r\nHost: stun\r\n\r\n")],
    ["classic STUN without the cookie", concat([Uint8Array.of(0, 1, 0, 0), new Uint8Array(16)])],
    ["a type that no STUN message has", message(0x8001)],
    ["a request longer than any", message(1, attribute(0x8001, new Uint8Array(600)))],
  ])("is no STUN: %s", (_, datagram) => {
    expect(problemOf(datagram)).toBe("not-stun");
  });
});

describe("STUN that is no question of ours", () => {
  it.each([
    ["a response, so that two servers cannot talk", "other-message", RESPONSE],
    ["an indication", "other-message", message(0x0011)],
    ["another method: allocate of TURN", "other-message", message(0x0003)],
    ["a length beyond the datagram", "malformed", REQUEST.subarray(0, 36)],
    ["bytes behind its length", "malformed", concat([REQUEST, new Uint8Array(4)])],
    ["an attribute beyond its message", "malformed", message(1, attribute(0x8022, utf8("tailnode"), 12))],
    ["an attribute whose length is the largest", "malformed", message(1, attribute(0x8022, utf8("tailnode"), 0xffff))],
    ["half an attribute header", "malformed", message(1, Uint8Array.of(0x80, 0x22))],
    ["more attributes than sixteen", "malformed", message(1, ...tooMany)],
    ["a fingerprint before the end", "malformed", message(1, FINGERPRINT, attribute(0x8022, utf8("x")))],
    ["two fingerprints", "malformed", message(1, FINGERPRINT, FINGERPRINT)],
    ["a fingerprint of another length", "malformed", message(1, attribute(0x8028, new Uint8Array(8)))],
    ["an attribute that must be understood", "unknown-attribute", message(1, attribute(0x0003, new Uint8Array(4)))],
    ["another message's fingerprint", "bad-fingerprint", message(1, FINGERPRINT)],
  ])("is refused: %s", (_, problem, datagram) => {
    expect(problemOf(datagram)).toBe(problem);
  });

  it("is refused when any one bit of a client's request is flipped", () => {
    for (let bit = 0; bit < REQUEST.length * 8; bit++) {
      const flipped = REQUEST.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const decoded = decodeBindingRequest(flipped);
      // The type of the last attribute decides that it is a fingerprint at all; without one it is a bare request.
      expect(decoded.ok && decoded.message.hasFingerprint, `bit ${bit}`).toBe(false);
    }
  });
});

it("is cut off at every length, as a request and as a response", () => {
  for (let length = 0; length < REQUEST.length; length++) {
    expect(decodeBindingRequest(REQUEST.subarray(0, length)).ok).toBe(false);
  }
  for (let length = 0; length < RESPONSE.length; length++) {
    expect(decodeBindingResponse(RESPONSE.subarray(0, length)).ok).toBe(false);
  }
});

it.each([
  ["no address", message(0x0101)],
  ["an address of no family", message(0x0101, attribute(0x0020, Uint8Array.of(0, 3, 0, 1, 1, 2, 3, 4)))],
  ["an IPv6 address of four bytes", message(0x0101, attribute(0x0020, Uint8Array.of(0, 2, 0, 1, 1, 2, 3, 4)))],
  ["an IPv4 address of sixteen", message(0x0101, attribute(0x0020, concat([Uint8Array.of(0, 1), new Uint8Array(18)])))],
  ["an empty address", message(0x0101, attribute(0x0020, new Uint8Array(0)))],
])("a response with %s is malformed", (_, datagram) => {
  expect(decodeBindingResponse(datagram)).toEqual({ ok: false, problem: "malformed" });
});

it("never throws, whatever comes", () => {
  const anything = fc.uint8Array({ maxLength: 700 });
  const almost = fc.tuple(fc.constantFrom(1, 0x0101), anything).map(([type, rest]) => message(type, rest));
  fc.assert(
    fc.property(fc.oneof(anything, almost), (datagram) => {
      decodeBindingRequest(datagram);
      decodeBindingResponse(datagram);
    }),
  );
});
