// Peers that break the handshake or the record layer. Every case must end in one ProtocolError with a fixed text, before
// anything large is buffered.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NoiseInitiator } from "../../../test/support/noise-initiator.ts";
import { noiseCrypto } from "../../platform/noise-crypto.ts";
import { concat, utf8 } from "../bytes.ts";
import { ProtocolError, type ProtocolErrorCode } from "../errors.ts";
import { respond } from "./handshake.ts";
import { newTransport, openRecords, sealRecords, type TransportState } from "./transport.ts";

const serverPrivateKey = new Uint8Array(32).fill(7);
const server = { privateKey: serverPrivateKey, publicKey: noiseCrypto.publicKey(serverPrivateKey) };
const ephemeralPrivateKey = new Uint8Array(32).fill(9);

function initiation(serverPublicKey = server.publicKey): Uint8Array {
  const keys = {
    machinePrivateKey: new Uint8Array(32).fill(1),
    ephemeralPrivateKey: new Uint8Array(32).fill(2),
    serverPublicKey,
  };
  return new NoiseInitiator(keys, 130).initiation;
}

function codeOf(attempt: () => unknown): ProtocolErrorCode | undefined {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return undefined;
}

async function refusalOf(bytes: Uint8Array): Promise<ProtocolErrorCode | undefined> {
  try {
    await respond(noiseCrypto, server, bytes, ephemeralPrivateKey);
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return undefined;
}

describe("an initiation", () => {
  test("of any other length than 101 is refused", async () => {
    for (let length = 0; length <= 200; length++) {
      if (length === 101) continue;
      expect(await refusalOf(new Uint8Array(length))).toBe("noise-initiation-size");
    }
  });

  test("of any other type than 1 is refused", async () => {
    for (const type of [0, 2, 3, 4, 255]) {
      const bytes = initiation();
      bytes[2] = type;
      expect(await refusalOf(bytes)).toBe("noise-initiation-type");
    }
  });

  test("that states another length than 96 is refused", async () => {
    for (const length of [0, 95, 97, 0xffff]) {
      const bytes = initiation();
      new DataView(bytes.buffer).setUint16(3, length);
      expect(await refusalOf(bytes)).toBe("noise-initiation-length");
    }
  });

  test("with any other bit turned over fails", async () => {
    for (let at = 0; at < 101; at++) {
      if (at >= 2 && at < 5) continue; // type and length: above
      // NOTE: the top bit of the last byte of a public key is ignored by X25519, yet it is hashed.
      for (const bit of [1, 128]) {
        const bytes = initiation();
        bytes[at] = (bytes[at] ?? 0) ^ bit;
        expect(await refusalOf(bytes), `byte ${at}`).toBe("noise-handshake-failed");
      }
    }
  });

  test("for another server key fails", async () => {
    const other = noiseCrypto.publicKey(new Uint8Array(32).fill(8));
    expect(await refusalOf(initiation(other))).toBe("noise-handshake-failed");
  });

  test.each([
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ])("with the small-order ephemeral key %s fails", async (point) => {
    const bytes = initiation();
    bytes.set(Buffer.from(point, "hex"), 5);
    expect(await refusalOf(bytes)).toBe("noise-handshake-failed");
  });

  test("of random bytes fails without any other error", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 96, maxLength: 96 }), async (body) => {
        expect(await refusalOf(concat([Uint8Array.of(0, 113, 1, 0, 96), body]))).toBe("noise-handshake-failed");
      }),
      { numRuns: 50 },
    );
  });
});

describe("a record", () => {
  const key = new Uint8Array(32).fill(3);

  function ends(): { server: TransportState; client: TransportState } {
    return { server: newTransport(key, key), client: newTransport(key, key) };
  }

  test("of any other type than 4 is refused at its first byte", () => {
    for (const type of [0, 1, 2, 3, 5, 0x50, 255]) {
      expect(codeOf(() => openRecords(noiseCrypto, ends().server, Uint8Array.of(type)))).toBe("noise-record-type");
    }
  });

  test("of more than 4096 bytes is refused at its header", () => {
    for (const length of [4094, 5000, 0xffff]) {
      const header = Uint8Array.of(4, length >> 8, length & 255);
      expect(codeOf(() => openRecords(noiseCrypto, ends().server, header))).toBe("noise-record-too-big");
    }
  });

  test("of 4096 bytes is awaited", () => {
    const { server } = ends();
    expect(openRecords(noiseCrypto, server, Uint8Array.of(4, 4093 >> 8, 4093 & 255))).toEqual([]);
    expect(server.pending.length).toBe(3);
  });

  test("without room for a tag is refused at its header", () => {
    for (let length = 0; length < 16; length++) {
      expect(codeOf(() => openRecords(noiseCrypto, ends().server, Uint8Array.of(4, 0, length)))).toBe(
        "noise-record-corrupt",
      );
    }
  });

  test.each([5, 2000])("of %i bytes with any byte of the ciphertext changed is refused", (length) => {
    const { client } = ends();
    const record = sealRecords(noiseCrypto, client, new Uint8Array(length));
    for (let at = 3; at < record.length; at += Math.max(1, record.length >> 6)) {
      const changed = record.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x40;
      expect(codeOf(() => openRecords(noiseCrypto, ends().server, changed))).toBe("noise-record-corrupt");
    }
  });

  test("sent twice is refused the second time", () => {
    const { server, client } = ends();
    const record = sealRecords(noiseCrypto, client, utf8("once"));
    openRecords(noiseCrypto, server, record);
    expect(codeOf(() => openRecords(noiseCrypto, server, record))).toBe("noise-record-corrupt");
  });

  test("left out makes the next one refused", () => {
    const { server, client } = ends();
    sealRecords(noiseCrypto, client, utf8("lost"));
    const next = sealRecords(noiseCrypto, client, utf8("next"));
    expect(codeOf(() => openRecords(noiseCrypto, server, next))).toBe("noise-record-corrupt");
  });

  test("beyond the last counter is neither opened nor sealed", () => {
    const { server, client } = ends();
    const record = sealRecords(noiseCrypto, client, utf8("x"));
    server.rxCounter = server.txCounter = Number.MAX_SAFE_INTEGER;
    expect(codeOf(() => openRecords(noiseCrypto, server, record))).toBe("noise-counter-exhausted");
    expect(codeOf(() => sealRecords(noiseCrypto, server, utf8("x")))).toBe("noise-counter-exhausted");
  });

  test("of random bytes yields nothing but a ProtocolError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        const { server } = ends();
        codeOf(() => expect(openRecords(noiseCrypto, server, bytes)).toEqual([]));
        expect(server.rxCounter).toBe(0);
      }),
    );
  });
});
