// The record layer: vectors of control-protocol.md Appendix A, division of the stream, nonces, sizes.
import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noiseCrypto } from "../../platform/noise-crypto.ts";
import { concat, EMPTY, fromHex, fromUtf8, toHex, utf8 } from "../bytes.ts";
import { newTransport, openRecords, plaintextWithin, sealRecords, type TransportState } from "./transport.ts";

const K1 = hex("9d8a0c9bfad81a7ac34484c53c3b9e730edd3c0249faac7826a8cf9f4b9713b1");
const K2 = hex("5c591b6bc88039fb598c45334d246af59501be8061e51f3950afafc7d1fb28cb");

function hex(text: string): Uint8Array {
  return fromHex(text) ?? EMPTY;
}

/** The two ends of one connection. */
function ends(): { server: TransportState; client: TransportState } {
  return { server: newTransport(K1, K2), client: newTransport(K2, K1) };
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

describe("Appendix A", () => {
  const records = hex(
    "04001507243be7982fab9bbb554647607dd6488c8e819717" + "040015303e51d30d9bf270255ab7459bccd972fa86c024ae",
  );

  test("opens the client's first two records", () => {
    expect(openRecords(noiseCrypto, ends().server, records).map(fromUtf8)).toEqual(["hello", "hello"]);
  });

  test("seals the same records as the client", () => {
    const { client } = ends();
    const sealed = [1, 2].map(() => sealRecords(noiseCrypto, client, utf8("hello")));
    expect(toHex(concat(sealed))).toBe(toHex(records));
  });

  test("leaves out the server's empty first record and opens its second", () => {
    const { client, server } = ends();
    const empty = hex("0400109f9cd79a484d0649cfe1c402b096f561");
    const world = "040015c23fb070da1e95ac64fa4e919bae496221e97e31b6";
    expect(openRecords(noiseCrypto, client, concat([empty, hex(world)])).map(fromUtf8)).toEqual(["world"]);
    server.txCounter = 1;
    expect(toHex(sealRecords(noiseCrypto, server, utf8("world")))).toBe(world);
  });
});

describe("stream", () => {
  test("comes out as it went in, for any plaintexts and any division down to one byte", () => {
    const plaintexts = fc.array(fc.uint8Array({ maxLength: 9_000 }), { maxLength: 4 });
    const sizes = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(plaintexts, fc.oneof(sizes, fc.constant([1])), (parts, chunkSizes) => {
        const { server, client } = ends();
        const stream = concat(parts.map((part) => sealRecords(noiseCrypto, client, part)));
        const opened = cut(stream, chunkSizes).flatMap((chunk) => openRecords(noiseCrypto, server, chunk));
        expect(toHex(concat(opened))).toBe(toHex(concat(parts)));
        expect(server.pending.length).toBe(0);
        expect(server.rxCounter).toBe(client.txCounter);
      }),
      { numRuns: 50 },
    );
  });

  test("cut off at any byte, yields the whole records before it and keeps the rest", () => {
    const { client } = ends();
    const records = ["one", "two", "three"].map((text) => sealRecords(noiseCrypto, client, utf8(text)));
    const stream = concat(records);
    for (let end = 0; end <= stream.length; end++) {
      const { server } = ends();
      let whole = 0;
      for (let at = 0; at + (records[whole]?.length ?? Number.POSITIVE_INFINITY) <= end; whole++) {
        at += records[whole]?.length ?? 0;
      }
      const first = openRecords(noiseCrypto, server, stream.subarray(0, end));
      expect(first.map(fromUtf8)).toEqual(["one", "two", "three"].slice(0, whole));
      const rest = openRecords(noiseCrypto, structuredClone(server), stream.subarray(end));
      expect([...first, ...rest].map(fromUtf8)).toEqual(["one", "two", "three"]);
    }
  });

  test("keeps a partial record in a buffer of its own", () => {
    const { server, client } = ends();
    const stream = sealRecords(noiseCrypto, client, new Uint8Array(100_000));
    openRecords(noiseCrypto, server, stream.subarray(0, 4096 + 10));
    expect(server.pending.length).toBe(10);
    expect(server.pending.buffer.byteLength).toBe(10);
  });

  test("yields nothing for no bytes", () => {
    expect(openRecords(noiseCrypto, ends().server, EMPTY)).toEqual([]);
    expect(sealRecords(noiseCrypto, ends().server, EMPTY)).toEqual(EMPTY);
  });
});

describe("records", () => {
  test.each([
    [1, [20]],
    [4077, [4096]],
    [4078, [4096, 20]],
    [8154, [4096, 4096]],
    [8155, [4096, 4096, 20]],
  ])("of %i bytes of plaintext have lengths %j", (length, expected) => {
    const { client } = ends();
    const stream = sealRecords(noiseCrypto, client, new Uint8Array(length));
    const lengths: number[] = [];
    for (let at = 0; at < stream.length; at += lengths.at(-1) ?? 0) {
      lengths.push(3 + (stream[at + 1] ?? 0) * 256 + (stream[at + 2] ?? 0));
    }
    expect(lengths).toEqual(expected);
    expect(client.txCounter).toBe(expected.length);
  });

  test.each([0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER - 1])(
    "number %i is sealed under the counter as 64-bit big-endian",
    (counter) => {
      const { client } = ends();
      client.txCounter = counter;
      const nonce = Buffer.alloc(12);
      nonce.writeBigUInt64BE(BigInt(counter), 4);
      const cipher = createCipheriv("chacha20-poly1305", K1, nonce, { authTagLength: 16 });
      const expected = Buffer.concat([cipher.update("x"), cipher.final(), cipher.getAuthTag()]);
      expect(toHex(sealRecords(noiseCrypto, client, utf8("x")).subarray(3))).toBe(expected.toString("hex"));
    },
  );
});

test("tells how long a plaintext may be for its records to fit", () => {
  const sealed = (length: number) => sealRecords(noiseCrypto, ends().server, new Uint8Array(length)).length;
  fc.assert(
    fc.property(fc.nat(20_000), (room) => {
      const longest = plaintextWithin(room);
      expect(sealed(longest)).toBeLessThanOrEqual(room);
      expect(sealed(longest + 1)).toBeGreaterThan(room);
    }),
  );
  expect(plaintextWithin(-1)).toBe(0);
});
