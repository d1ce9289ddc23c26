import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex } from "./bytes.ts";
import { parseAddress } from "./ip.ts";
import {
  decodeBindingRequest,
  decodeBindingResponse,
  encodeBindingRequest,
  encodeBindingResponse,
  TAILSCALE_SOFTWARE,
} from "./stun.ts";

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(/\s/g, "")) as Uint8Array;
const address = (text: string): bigint => parseAddress(text) as bigint;

const ID = hex("0102030405060708090a0b0c");
/** What tailscale net/stun 1.102.3 makes of that transaction id and these addresses. */
const CLIENT_REQUEST = hex("000100142112a4420102030405060708090a0b0c802200087461696c6e6f646580280004b32c370f");
const CLIENT_RESPONSES = {
  "203.0.113.7": hex("0101000c2112a4420102030405060708090a0b0c002000080001f523ea12d545"),
  "2001:db8::7": hex("010100182112a4420102030405060708090a0b0c002000140002f5230113a9fa0102030405060708090a0b0b"),
};

/** RFC 5769 §2.2 and §2.3: SOFTWARE, the address, MESSAGE-INTEGRITY and FINGERPRINT. */
const RFC_IPV4 = hex(`
  0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
  8022000b 74657374 20766563 746f7220
  00200008 0001a147 e112a643
  00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
  80280004 c07d4c96`);
const RFC_IPV6 = hex(`
  01010048 2112a442 b7e7a701 bc34d686 fa87dfae
  8022000b 74657374 20766563 746f7220
  00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
  00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
  80280004 c8fb0b4c`);

describe("vectors", () => {
  it("a client's request, both ways", () => {
    expect(encodeBindingRequest(ID)).toEqual(CLIENT_REQUEST);
    expect(decodeBindingRequest(CLIENT_REQUEST)).toEqual({
      ok: true,
      message: { transactionId: ID, software: TAILSCALE_SOFTWARE, hasFingerprint: true },
    });
  });

  it.each(Object.entries(CLIENT_RESPONSES))("a response to %s, both ways", (text, bytes) => {
    const message = { transactionId: ID, address: address(text), port: 54_321 };
    expect(encodeBindingResponse(message)).toEqual(bytes);
    expect(decodeBindingResponse(bytes)).toEqual({ ok: true, message });
  });

  it("the RFC's responses, fingerprint included", () => {
    const transactionId = hex("b7e7a701bc34d686fa87dfae");
    expect(decodeBindingResponse(RFC_IPV4)).toEqual({
      ok: true,
      message: { transactionId, address: address("192.0.2.1"), port: 32_853 },
    });
    expect(decodeBindingResponse(RFC_IPV6)).toEqual({
      ok: true,
      message: { transactionId, address: address("2001:db8:1234:5678:11:2233:4455:6677"), port: 32_853 },
    });
  });

  it("a response of an old server, which does not hide the address", () => {
    const bytes = hex("0101000c 2112a442 0102030405060708090a0b0c 00010008 0001d431 cb007107");
    expect(decodeBindingResponse(bytes)).toEqual({
      ok: true,
      message: { transactionId: ID, address: address("203.0.113.7"), port: 54_321 },
    });
  });
});

const ids = fc.uint8Array({ minLength: 12, maxLength: 12 });
const ports = fc.nat(0xffff);
const addresses = fc.oneof(
  fc.bigInt(0n, (1n << 32n) - 1n),
  fc.bigInt(0n, (1n << 128n) - 1n).map((value) => value + (1n << 128n)),
);

describe("for any values", () => {
  it("a request is what was asked", () => {
    fc.assert(
      fc.property(ids, (transactionId) => {
        expect(decodeBindingRequest(encodeBindingRequest(transactionId))).toMatchObject({
          ok: true,
          message: { transactionId, software: TAILSCALE_SOFTWARE },
        });
      }),
    );
  });

  it("a response is what was answered, and at most a tenth longer than a client's request", () => {
    fc.assert(
      fc.property(ids, addresses, ports, (transactionId, from, port) => {
        const message = { transactionId, address: from, port };
        const bytes = encodeBindingResponse(message);
        expect(decodeBindingResponse(bytes)).toEqual({ ok: true, message });
        expect(bytes.length / CLIENT_REQUEST.length).toBeLessThanOrEqual(1.1);
      }),
    );
  });
});
