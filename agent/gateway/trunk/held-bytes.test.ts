import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { HeldBytes } from "./held-bytes.ts";

it("gives bytes back as they came, whatever is added and taken in between", () => {
  const step = fc.oneof(fc.record({ add: fc.nat(5_000) }), fc.record({ take: fc.integer({ min: 1, max: 8_000 }) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const held = new HeldBytes();
      let expected = Buffer.alloc(0);
      for (const one of steps) {
        if ("add" in one) {
          const bytes = randomBytes(one.add);
          held.add(bytes);
          expected = Buffer.concat([expected, bytes]);
          bytes.fill(0); // it has its own copy
        } else {
          expect(Buffer.from(held.take(one.take)).equals(expected.subarray(0, one.take))).toBe(true);
          expected = expected.subarray(one.take);
        }
        expect(held.length).toBe(expected.length);
      }
    }),
  );
});
