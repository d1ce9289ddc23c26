import { describe, expect, it } from "vitest";
import { readBulkReply } from "./bulk-reply.ts";

const read = (reply: unknown) => {
  const { postponed, refused, reason } = readBulkReply(JSON.stringify(reply));
  return { postponed: [...postponed], refused: [...refused], reason };
};
const NOTHING = { postponed: [], refused: [], reason: "" };

describe("a bulk reply", () => {
  it("tells refusals that pass from those for good, by place, whatever the action is called", () => {
    const items = [
      { create: { status: 201 } },
      { create: { status: 429, error: { type: "es_rejected_execution_exception", reason: "queue\nfull" } } },
      { index: { status: 400, error: { type: "document_parsing_exception" } } },
      { index: { status: 503, error: "unavailable" } },
      { create: { status: 200 } },
      { create: { status: 409 } },
    ];
    expect(read({ took: 3, errors: true, items })).toEqual({
      postponed: [1, 3],
      refused: [2, 5],
      reason: "429 es_rejected_execution_exception: queue full",
    });
  });

  it.each([
    { errors: false, items: [{ create: { status: 400 } }] },
    { errors: true },
    { errors: true, items: {} },
    { errors: true, items: [null, 1, [], {}, { create: null }, { create: { status: "400" } }] },
    [],
    null,
    "ok",
  ])("that names no refused entry says that all were taken: %j", (reply) => {
    expect(read(reply)).toEqual(NOTHING);
  });

  it.each(["", "<html>", '{"errors": true, "items": ['])("that is no JSON says nothing of errors: %j", (text) => {
    expect(readBulkReply(text).reason).toBe("");
  });
});
