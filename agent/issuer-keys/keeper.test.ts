import { describe, expect, it } from "vitest";
import type { SigningKeySet } from "../../worker/protocol/jwk-set.ts";
import type { KnownIssuer } from "./control-api.ts";
import { KeyKeeper } from "./keeper.ts";

const ISSUER = "https://issuer.example";
const HOUR = 3_600_000;
const signal = new AbortController().signal;
const keySet = (...kids: string[]): SigningKeySet => ({ keys: kids.map((kid) => ({ kty: "EC", kid })) });

/** An issuer, a server that knows it, and how often that was visited. */
function scene(lifetimeMs = 24 * HOUR, intervalMs = 60_000) {
  const state = { now: 0, published: keySet("one"), visits: 0, sets: 0, known: [] as KnownIssuer[] };
  state.known = [{ id: "i1", issuer: ISSUER, set: undefined, expiresAt: 0, lifetimeMs }];
  const control = {
    visit: () => {
      state.visits += 1;
      return Promise.resolve({
        issuers: () => Promise.resolve(state.known),
        setKeys: (id: string, set: SigningKeySet) => {
          state.sets += 1;
          state.known = state.known.map((each) =>
            each.id === id ? { ...each, set, expiresAt: state.now + lifetimeMs } : each,
          );
          return Promise.resolve(state.known.find((each) => each.id === id) as KnownIssuer);
        },
      });
    },
  };
  const source = { read: () => Promise.resolve({ issuer: ISSUER, set: state.published }) };
  const keeper = () => new KeyKeeper(source, control, intervalMs, () => state.now);
  return { state, keeper };
}

describe("a keeper of keys", () => {
  it("sets keys that the server does not have, and does not ask it while they are the same", async () => {
    const { state, keeper } = scene();
    const one = keeper();
    expect(await one.round(signal)).toEqual({
      issuer: ISSUER,
      keyIds: ["one"],
      outcome: "set",
      expiresAt: 24 * HOUR,
    });
    for (let i = 0; i < 100; i++) {
      state.now += 60_000;
      expect((await one.round(signal)).outcome).toBe("unchanged");
    }
    expect([state.visits, state.sets]).toEqual([1, 1]);
  });

  it("sets them at the next round after they have changed", async () => {
    const { state, keeper } = scene();
    const one = keeper();
    await one.round(signal);
    state.published = keySet("one", "two");
    expect(await one.round(signal)).toMatchObject({ outcome: "set", keyIds: ["one", "two"] });
    expect(state.known[0]?.set).toEqual(keySet("one", "two"));
  });

  it("confirms them with half of their life left", async () => {
    const { state, keeper } = scene();
    const one = keeper();
    await one.round(signal);
    state.now = 12 * HOUR - 1;
    expect((await one.round(signal)).outcome).toBe("unchanged");
    state.now = 12 * HOUR;
    expect(await one.round(signal)).toMatchObject({ outcome: "confirmed", expiresAt: 36 * HOUR });
    expect(state.sets).toBe(2);
  });

  it("confirms them earlier when it looks seldom", async () => {
    const { state, keeper } = scene(24 * HOUR, 8 * HOUR);
    const one = keeper();
    await one.round(signal);
    state.now = 8 * HOUR;
    expect((await one.round(signal)).outcome).toBe("confirmed");
  });

  it("that starts anew leaves keys as they are that the server has already", async () => {
    const { state, keeper } = scene();
    await keeper().round(signal);
    expect((await keeper().round(signal)).outcome).toBe("unchanged");
    expect([state.visits, state.sets]).toEqual([2, 1]);
  });

  it("says so when the server has no such issuer for it", async () => {
    const { state, keeper } = scene();
    state.known = [];
    await expect(keeper().round(signal)).rejects.toThrow(
      `the server has no issuer ${ISSUER} whose keys may be set with this credential`,
    );
    expect(state.sets).toBe(0);
  });
});
