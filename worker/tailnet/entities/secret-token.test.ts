import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashSecret, matchesHash, mintToken, type Random, randomText, splitToken } from "./secret-token.ts";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** A source that hands out these bytes again and again. */
function cycle(bytes: readonly number[]): Random {
  let at = 0;
  return (length) => Uint8Array.from({ length }, () => bytes[at++ % bytes.length] as number);
}

describe("randomText", () => {
  it("draws each letter from exactly four byte values and skips the eight that are left", () => {
    const every = Array.from({ length: 256 }, (_, i) => i);
    const text = randomText(cycle(every), 4 * LETTERS.length);
    for (const letter of LETTERS) expect(text.split(letter).length - 1, letter).toBe(4);
  });

  it("asks again when too many bytes were skipped", () => {
    expect(randomText(cycle([255, 255, 255, 255, 255, 255, 255, 0]), 2)).toBe("AA");
  });

  it("has the length that was asked for", () => {
    for (const length of [0, 1, 11, 32, 100]) expect(randomText(cycle([1, 250, 3]), length)).toHaveLength(length);
  });
});

describe("mintToken", () => {
  const random = cycle(Array.from(LETTERS, (_, i) => i));

  it("makes a text that splits into its id and a secret that matches its hash", () => {
    const { id, text, hash } = mintToken("auth", random);
    expect(text).toMatch(/^tskey-auth-k[0-9A-Za-z]{11}CNTRL-[0-9A-Za-z]{32}$/);
    const token = splitToken("auth", text);
    expect(token?.id).toBe(id);
    expect(matchesHash(token?.secret ?? "", hash)).toBe(true);
  });

  it("keeps nothing of the secret in the hash's text", () => {
    const { text, hash } = mintToken("api", random);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hash).not.toContain(text.slice(-32));
  });
});

describe("splitToken", () => {
  const text = `tskey-auth-k${"A".repeat(11)}CNTRL-${"b".repeat(32)}`;

  it("gives id and secret", () => {
    expect(splitToken("auth", text)).toEqual({ id: `k${"A".repeat(11)}CNTRL`, secret: "b".repeat(32) });
  });

  it("gives nothing for a token of another kind", () => {
    expect(splitToken("api", text)).toBeUndefined();
  });

  it.each([
    "",
    "tskey-auth-",
    `${text}\n`,
    ` ${text}`,
    `${text}?ephemeral=true`,
    text.replace("CNTRL", ""),
    text.replace("tskey", "TSKEY"),
    `tskey-auth-k${"A".repeat(11)}CNTRL-short`,
    `tskey-auth-k${"A".repeat(11)}CNTRL-${"b".repeat(65)}`,
    `tskey-auth-k${"A".repeat(11)}CNTRL-${"b".repeat(31)}ß`,
  ])("gives nothing for %j", (malformed) => {
    expect(splitToken("auth", malformed)).toBeUndefined();
  });

  it("gives nothing but what the text says, whatever is changed in it", () => {
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(3), fc.string({ maxLength: 3 }), (at, removed, inserted) => {
        const changed = text.slice(0, at) + inserted + text.slice(at + removed);
        const token = splitToken("auth", changed);
        if (token !== undefined) expect(`tskey-auth-${token.id}-${token.secret}`).toBe(changed);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("matchesHash", () => {
  const hash = hashSecret("correct");

  it("accepts the secret of the hash", () => {
    expect(matchesHash("correct", hash)).toBe(true);
  });

  it.each(["", "Correct", "correct ", "correctcorrect"])("rejects %j", (secret) => {
    expect(matchesHash(secret, hash)).toBe(false);
  });

  it("rejects a hash that differs in any one place, is cut short or goes on", () => {
    for (let i = 0; i < hash.length; i++) {
      const flipped = hash.slice(0, i) + (hash[i] === "0" ? "1" : "0") + hash.slice(i + 1);
      expect(matchesHash("correct", flipped), String(i)).toBe(false);
      expect(matchesHash("correct", hash.slice(0, i)), String(i)).toBe(false);
    }
    expect(matchesHash("correct", `${hash}0`)).toBe(false);
  });

  it("hashes with SHA-256", () => {
    expect(hashSecret("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });
});
