import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTransfer, parseTransfer, TRANSFER_KINDS, TransferError } from "./document.ts";

const header = { exportedAt: "2026-01-02T03:04:05Z", tailnet: "example.com", magicDnsSuffix: "tail.internal" };
const lines = fc.array(
  fc.record({ kind: fc.constantFrom(...TRANSFER_KINDS), record: fc.dictionary(fc.string(), fc.jsonValue()) }),
);

describe("a file", () => {
  it("reads back as it was written", () => {
    fc.assert(
      fc.property(lines, (given) => {
        const plain = JSON.parse(JSON.stringify(given));
        expect(parseTransfer(formatTransfer(header, given))).toEqual({ header, lines: plain });
      }),
    );
  });

  it("that is cut off anywhere is refused", () => {
    const text = formatTransfer(header, [
      { kind: "user", record: { id: 1 } },
      { kind: "node", record: { id: 2 } },
    ]);
    for (let length = 0; length < text.length - 1; length++) {
      expect(() => parseTransfer(text.slice(0, length)), `cut after ${length}`).toThrow(TransferError);
    }
  });

  it("whose lines were lost or come from elsewhere is refused", () => {
    const [first = "", user = "", end = ""] = formatTransfer(header, [{ kind: "user", record: { id: 1 } }]).split("\n");
    for (const broken of [
      [first, end],
      [first, user, user, end],
      [user, end],
      [first, user, end, user],
      [first.replace("flarescale", "other"), user, end],
      [first.replace('"version":1', '"version":2'), user, end],
      [first, user.replace("user", "unknown"), end],
      [first, "[]", end],
      [first, '{"kind":"user"}', end],
    ]) {
      expect(() => parseTransfer(broken.join("\n")), broken.join(" ")).toThrow(TransferError);
    }
  });
});
