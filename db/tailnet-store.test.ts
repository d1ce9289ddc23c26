import { expect, it } from "vitest";
import type { Database } from "./open.ts";
import { TailnetStore } from "./tailnet-store.ts";
import { whenFirstUsed } from "./when-first-used.ts";

it("asks nothing of the database and prepares no statement until something is read or written", () => {
  const touched: PropertyKey[] = [];
  const untouchable = new Proxy({} as Database, {
    get: (_, name) => {
      touched.push(name);
      throw new Error(`db.${String(name)} was used`);
    },
  });
  const store = new TailnetStore(untouchable);
  store.auditLog.add([]);
  expect(touched).toEqual([]);
  expect(() => store.load()).toThrow("was used");
});

it("makes a value once, when it is first used, also one that is undefined", () => {
  let made = 0;
  const value = whenFirstUsed(() => {
    made += 1;
    return undefined;
  });
  expect(made).toBe(0);
  expect([value(), value(), made]).toEqual([undefined, undefined, 1]);
});
