// States of connections for tests: one as most are, and any that the types allow.
import fc from "fast-check";
import { EMPTY } from "../protocol/bytes.ts";
import type { Http2State, Http2Stream } from "../protocol/http2/state.ts";
import { machineKeyOf, nodeKeyOf } from "../protocol/keys.ts";
import type { TransportState } from "../protocol/noise/transport.ts";
import type { ConnectionState, HeldBytes, StreamState } from "./connection-state.ts";

const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value);

/** A node that has had its netmap and hears of what changes. */
export function typicalState(): ConnectionState {
  return {
    id: "00112233445566778899aabbccddeeff",
    openedAt: 1_764_547_200_000,
    version: 131,
    machineKey: machineKeyOf(filled(0xa1)),
    remoteAddress: "203.0.113.7",
    publicOrigin: "https://control.example.com",
    noise: { rxKey: filled(0xb2), txKey: filled(0xc3), rxCounter: 9, txCounter: 1_204, pending: EMPTY },
    http2: {
      phase: "open",
      partial: EMPTY,
      data: undefined,
      skip: 0,
      block: undefined,
      table: { entries: [], size: 0, capacity: 0 },
      tableLimit: 0,
      streams: [[5, 4_183_001, 2_048, 0, true]],
      highestId: 5,
      sendWindow: 1_073_676_289,
      initialWindow: 4_194_304,
      used: 3_072,
      isGoingAway: false,
      flood: { since: 1_764_547_200_500, resets: 0, pings: 1, settings: 2, emptyData: 0 },
    },
    streams: [
      { kind: "map", id: 5, held: undefined, nodeId: 417, nodeKey: nodeKeyOf(filled(0xd4)), omitsPeers: false },
    ],
  };
}

const count = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const window = fc.oneof(
  fc.integer({ min: -200, max: 200 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, -64, -63, 63, 64, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
);
const bytes = fc.uint8Array({ maxLength: 200 });
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const digit = fc.nat(15).map((value) => value.toString(16));
/** Lone surrogates too, and hex that is nearly hex. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: fc.nat(0xff).map((unit) => String.fromCharCode(unit)), maxLength: 40 }),
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 10 }),
  fc.string({ unit: digit, maxLength: 40 }),
  fc.string({
    unit: fc.oneof({ weight: 9, arbitrary: digit }, fc.constantFrom("A", "F", "g", "\u0161", "\u0130")),
    maxLength: 6,
  }),
);
const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined });
const held = maybe(fc.record<HeldBytes>({ bytes: count, since: count, endsStream: fc.boolean() }));
const nodeKey = key.map(nodeKeyOf);

const streams: { readonly [Kind in StreamState["kind"]]: fc.Arbitrary<Extract<StreamState, { kind: Kind }>> } = {
  request: fc.record({
    kind: fc.constant("request"),
    id: count,
    held,
    method: text,
    path: text,
    limit: count,
    received: count,
    inline: bytes,
    isSpilled: fc.boolean(),
  }),
  map: fc.record({ kind: fc.constant("map"), id: count, held, nodeId: count, nodeKey, omitsPeers: fc.boolean() }),
  "follow-up": fc.record({ kind: fc.constant("follow-up"), id: count, held, pendingId: text }),
  "ssh-check": fc.record({ kind: fc.constant("ssh-check"), id: count, held, checkId: text }),
  response: fc.record({ kind: fc.constant("response"), id: count, held }),
};

const noise = fc.record<TransportState>({
  rxKey: key,
  txKey: key,
  rxCounter: count,
  txCounter: count,
  pending: bytes,
});
const http2 = fc.record<Http2State>({
  phase: fc.constantFrom("preface", "settings", "open"),
  partial: bytes,
  data: maybe(fc.record({ streamId: count, left: count, endStream: fc.boolean() })),
  skip: count,
  block: maybe(fc.record({ streamId: count, endStream: fc.boolean(), bytes, continuations: count })),
  table: fc.record({ entries: fc.array(fc.tuple(text, text), { maxLength: 5 }), size: count, capacity: count }),
  tableLimit: count,
  streams: fc.array(fc.tuple(count, window, count, maybe(count), fc.boolean()) satisfies fc.Arbitrary<Http2Stream>, {
    maxLength: 5,
  }),
  highestId: count,
  sendWindow: window,
  initialWindow: window,
  used: count,
  isGoingAway: fc.boolean(),
  flood: fc.record({ since: count, resets: count, pings: count, settings: count, emptyData: count }),
});

/** Any state: all kinds of streams, with and without each part that may be absent. */
export const anyState = fc
  .record<ConnectionState>({
    id: text,
    openedAt: count,
    version: count,
    machineKey: key.map(machineKeyOf),
    remoteAddress: text,
    publicOrigin: text,
    noise,
    http2,
    streams: fc.array(fc.oneof(...Object.values(streams)), { maxLength: 6 }),
  })
  .map((state) => structuredClone(state)); // fast-check makes objects without a prototype
