import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fieldSize, type HeaderField, insert, lookUp, newTable, resize, STATIC_TABLE } from "./table.ts";

const FIRST_DYNAMIC = 62;

describe("the static table", () => {
  test.each([
    [1, ":authority", ""],
    [2, ":method", "GET"],
    [8, ":status", "200"],
    [14, ":status", "500"],
    [16, "accept-encoding", "gzip, deflate"],
    [28, "content-length", ""],
    [58, "user-agent", ""],
    [61, "www-authenticate", ""],
  ])("has at index %i %s: %s", (index, name, value) => {
    expect(lookUp(newTable(), index)).toEqual([name, value]);
  });

  test("ends at index 61", () => {
    expect(STATIC_TABLE).toHaveLength(61);
    expect(lookUp(newTable(), FIRST_DYNAMIC)).toBeUndefined();
  });
});

describe("the dynamic table", () => {
  test("has the newest field at index 62", () => {
    const table = newTable();
    insert(table, ["a", "1"]);
    insert(table, ["b", "2"]);
    expect(lookUp(table, 62)).toEqual(["b", "2"]);
    expect(lookUp(table, 63)).toEqual(["a", "1"]);
    expect(lookUp(table, 64)).toBeUndefined();
  });

  test("is emptied by a field that is larger than itself", () => {
    const table = newTable();
    insert(table, ["a", "1"]);
    insert(table, ["b", "x".repeat(4096 - 32)]);
    expect(table).toMatchObject({ entries: [], size: 0 });
  });

  test("holds a field of exactly its capacity", () => {
    const table = newTable();
    insert(table, ["b", "x".repeat(4096 - 33)]);
    expect(table.entries).toHaveLength(1);
    expect(table.size).toBe(4096);
  });

  test("behaves as a list that is cut from the old end", () => {
    const field = fc.tuple(fc.string({ maxLength: 20 }), fc.string({ maxLength: 300 }));
    const step = fc.oneof(field, fc.integer({ min: 0, max: 4096 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = newTable();
        let model: HeaderField[] = [];
        let capacity = 4096;
        for (const next of steps) {
          if (typeof next === "number") {
            capacity = next;
            resize(table, next);
          } else {
            insert(table, next);
            model = [next, ...model];
          }
          while (model.reduce((sum, entry) => sum + fieldSize(entry), 0) > capacity) model.pop();
          expect(model.map((_, i) => lookUp(table, FIRST_DYNAMIC + i))).toEqual(model);
          expect(lookUp(table, FIRST_DYNAMIC + model.length)).toBeUndefined();
          expect(table.size).toBe(model.reduce((sum, entry) => sum + fieldSize(entry), 0));
        }
      }),
    );
  });
});
