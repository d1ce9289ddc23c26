// What we rely on of the platform itself, apart from our code: when workerd moves, these fail first (platform.md).
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createCipheriv } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { connect, device } from "./support/tailnet.ts";

const stub = (name: string) => env.TAILNET.getByName(`contract-${name}`);

describe("workerd", () => {
  it("takes 16,000 bytes of attachment and refuses 16,384", async () => {
    const client = await connect(device(1));
    await runInDurableObject(tailnetFor(env), (_, ctx) => {
      const socket = ctx.getWebSockets()[0] as WebSocket;
      const original = socket.deserializeAttachment();
      const kept = { bytes: new Uint8Array(16_000).fill(7), counter: 2 ** 40 };
      socket.serializeAttachment(kept);
      expect(() => socket.serializeAttachment(new Uint8Array(16_384))).toThrow();
      expect(socket.deserializeAttachment()).toEqual(kept);
      socket.serializeAttachment(original);
    });
    client.close();
  });

  it("has synchronous key-value storage beside SQL, rolled back with its transaction", async () => {
    await runInDurableObject(stub("kv"), (_, { storage }) => {
      storage.kv.put("a", 1);
      expect(() =>
        storage.transactionSync(() => {
          storage.kv.put("a", 2);
          throw new Error("no");
        }),
      ).toThrow("no");
      expect(storage.kv.get("a")).toBe(1);
    });
  });

  it("binds at most 100 parameters", async () => {
    await runInDurableObject(stub("parameters"), (_, { storage }) => {
      const select = (n: number) => `select ${Array.from({ length: n }, () => "?").join()}`;
      const values = (n: number) => Array.from({ length: n }, (_, i) => i);
      expect(storage.sql.exec(select(100), ...values(100)).toArray()).toHaveLength(1);
      expect(() => storage.sql.exec(select(101), ...values(101))).toThrow();
    });
  });

  it("has synchronous zstd and ChaCha20-Poly1305", () => {
    const frame = zstdCompressSync(new TextEncoder().encode("netmap"));
    expect(new TextDecoder().decode(zstdDecompressSync(frame))).toBe("netmap");
    const cipher = createCipheriv("chacha20-poly1305", new Uint8Array(32), new Uint8Array(12), { authTagLength: 16 });
    cipher.update(new Uint8Array(3));
    cipher.final();
    expect(cipher.getAuthTag()).toHaveLength(16);
  });

  it("rounds no integer below 2^53", async () => {
    await runInDurableObject(stub("integers"), (_, { storage }) => {
      const [row] = storage.sql.exec<{ n: number }>("select ? as n", Number.MAX_SAFE_INTEGER).toArray();
      expect(row?.n).toBe(Number.MAX_SAFE_INTEGER);
    });
  });
});

describe("these tests", () => {
  it("reach nobody outside, neither from the Worker nor from its objects", async () => {
    const outside = async () => await (await fetch("https://example.com/")).text();
    const answers = [await outside(), await runInDurableObject(stub("outside"), outside)];
    expect(answers).toEqual(Array(2).fill("tests reach nobody outside"));
  });
});
