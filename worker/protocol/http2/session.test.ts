// Whole sessions against a naive twin: random client actions are written as frames, the events that must come of them are
// noted beside, and any cut of the bytes, with the state cloned at every cut, has to give the same events and replies.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, EMPTY, toHex, utf8, writeU32 } from "../bytes.ts";
import { NOW } from "./connection.fixture.ts";
import { type Http2Event, openConnection, receive } from "./connection.ts";
import { encodeFrame, encodeSettings, encodeSettingsAck } from "./encode.ts";
import { CLIENT_PREFACE, Flag, FrameType } from "./frame.ts";

type Action =
  | { do: "request"; path: string; pieces: number; padding: number | undefined; priority: boolean; endStream: boolean }
  | { do: "data"; which: number; length: number; padding: number | undefined; endStream: boolean }
  | { do: "trailers"; which: number }
  | { do: "reset"; which: number; code: number }
  | { do: "window"; which: number | undefined; increment: number }
  | { do: "late data"; length: number; padding: number | undefined }
  | { do: "ping" | "priority" | "settings" }
  | { do: "unknown" | "goaway"; length: number };

const padding = fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined });
const which = fc.nat(20);
const length = fc.oneof(fc.nat(40), fc.nat(16_000));
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    do: fc.constant("request" as const),
    path: fc.constantFrom("/", "/key", "/machine/map", `/${"long".repeat(20)}`),
    pieces: fc.integer({ min: 1, max: 5 }),
    padding,
    priority: fc.boolean(),
    endStream: fc.boolean(),
  }),
  fc.record({ do: fc.constant("data" as const), which, length, padding, endStream: fc.boolean() }),
  fc.record({ do: fc.constant("trailers" as const), which }),
  fc.record({ do: fc.constant("reset" as const), which, code: fc.nat(0xffffffff) }),
  fc.record({
    do: fc.constant("window" as const),
    which: fc.option(which, { nil: undefined }),
    increment: fc.integer({ min: 1, max: 1e6 }),
  }),
  fc.record({ do: fc.constant("late data" as const), length, padding }),
  fc.record({ do: fc.constantFrom("ping" as const, "priority" as const, "settings" as const) }),
  fc.record({ do: fc.constantFrom("unknown" as const, "goaway" as const), length }),
);

/** Writes actions as a client would, and what the server must make of them. */
class Script {
  readonly frames: Uint8Array[] = [CLIENT_PREFACE, encodeSettings([])];
  readonly events: Http2Event[] = [];
  /** Streams whose request goes on. */
  open: number[] = [];
  /** Streams that the client reset. */
  readonly #closed: number[] = [];
  /** Paths in the dynamic table, newest first. */
  readonly #indexed: string[] = [];
  #nextId = 1;
  #isAcknowledged = false;

  add(next: Action): void {
    switch (next.do) {
      case "request":
        this.#request(next);
        break;
      case "data":
        this.#data(next);
        break;
      case "late data":
        this.#lateData(next);
        break;
      case "trailers":
        this.#onOpen(next.which, (streamId) => this.#trailers(streamId));
        break;
      case "reset":
        this.#onOpen(next.which, (streamId) => this.#reset(streamId, next.code));
        break;
      case "window":
        if (next.which === undefined) this.#window(0, next.increment);
        else this.#onOpen(next.which, (streamId) => this.#window(streamId, next.increment));
        break;
      case "ping":
        this.#frame(FrameType.PING, 0, 0, utf8("8 octets"));
        break;
      case "priority":
        this.#frame(FrameType.PRIORITY, 0, this.#nextId, new Uint8Array(5));
        break;
      case "settings":
        if (!this.#isAcknowledged) this.frames.push(encodeSettingsAck());
        this.#isAcknowledged = true;
        this.frames.push(encodeSettings([]));
        break;
      case "unknown":
        this.#frame(0x42, 0xff, this.#nextId, new Uint8Array(next.length));
        break;
      case "goaway":
        this.#frame(FrameType.GOAWAY, 0, 0, concat([word(0), word(next.length), new Uint8Array(next.length)]));
        this.events.push({ type: "goaway", code: next.length });
        break;
    }
  }

  #request({ path, pieces, padding, priority, endStream }: Action & { do: "request" }): void {
    const streamId = this.#nextId;
    this.#nextId += 2;
    const block = this.#block(path);
    const cut = Math.ceil(block.length / pieces);
    for (let at = 0; at < block.length; at += cut) {
      const last = at + cut >= block.length ? Flag.END_HEADERS : 0;
      const piece = block.subarray(at, at + cut);
      if (at > 0) {
        this.#frame(FrameType.CONTINUATION, last, streamId, piece);
        continue;
      }
      const flags = last | (endStream ? Flag.END_STREAM : 0) | (priority ? Flag.PRIORITY : 0);
      this.#frame(FrameType.HEADERS, flags, streamId, concat([new Uint8Array(priority ? 5 : 0), piece]), padding);
    }
    if (!endStream) this.open.push(streamId);
    const head = { method: "POST", path, authority: "", headers: [] };
    this.events.push({ type: "request", streamId, head, endStream });
  }

  /** Until it acknowledged SETTINGS, the client indexes every path, so that later blocks depend on earlier ones. */
  #block(path: string): Uint8Array {
    const literal = concat([Uint8Array.of(path.length), utf8(path)]);
    if (this.#isAcknowledged) return concat([Uint8Array.of(0x20, 0x83, 0x87, 0x04), literal]);
    const index = this.#indexed.indexOf(path);
    if (index >= 0) return Uint8Array.of(0x83, 0x87, 0x80 | (62 + index));
    this.#indexed.unshift(path);
    return concat([Uint8Array.of(0x83, 0x87, 0x44), literal]);
  }

  #trailers(streamId: number): void {
    const block = Uint8Array.of(0x10, 1, 0x74, 1, 0x76);
    this.#frame(
      FrameType.HEADERS,
      Flag.END_HEADERS | Flag.END_STREAM,
      streamId,
      literalsAfter(this.#isAcknowledged, block),
    );
    this.#end(streamId);
    this.events.push({ type: "data", streamId, data: EMPTY, endStream: true });
  }

  #reset(streamId: number, code: number): void {
    this.#frame(FrameType.RST_STREAM, 0, streamId, word(code));
    this.#end(streamId);
    this.#closed.push(streamId);
    this.events.push({ type: "reset", streamId, code });
  }

  #data({ which, length, padding, endStream }: Action & { do: "data" }): void {
    this.#onOpen(which, (streamId) => {
      const payload = new Uint8Array(length).map((_, i) => i + streamId);
      this.#frame(FrameType.DATA, endStream ? Flag.END_STREAM : 0, streamId, payload, padding);
      if (endStream) this.#end(streamId);
      if (length > 0 || endStream) this.events.push({ type: "data", streamId, data: payload, endStream });
    });
  }

  #lateData({ length, padding }: Action & { do: "late data" }): void {
    const streamId = this.#closed[0];
    if (streamId !== undefined) this.#frame(FrameType.DATA, 0, streamId, new Uint8Array(length), padding);
  }

  #window(streamId: number, increment: number): void {
    this.#frame(FrameType.WINDOW_UPDATE, 0, streamId, word(increment));
    this.events.push({ type: "writable", streamId });
  }

  #onOpen(which: number, act: (streamId: number) => void): void {
    const streamId = this.open[which % this.open.length];
    if (streamId !== undefined) act(streamId);
  }

  #end(streamId: number): void {
    this.open = this.open.filter((id) => id !== streamId);
  }

  #frame(type: number, flags: number, streamId: number, payload: Uint8Array, padding?: number): void {
    if (padding === undefined) {
      this.frames.push(encodeFrame({ type, flags, streamId }, payload));
      return;
    }
    const padded = concat([Uint8Array.of(padding), payload, new Uint8Array(padding)]);
    this.frames.push(encodeFrame({ type, flags: flags | Flag.PADDED, streamId }, padded));
  }
}

function literalsAfter(isAcknowledged: boolean, block: Uint8Array): Uint8Array {
  return isAcknowledged ? concat([Uint8Array.of(0x20), block]) : block;
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

/** Joins neighbouring pieces of one body, which is all that cuts may change. */
function joined(events: readonly Http2Event[]): Http2Event[] {
  const result: Http2Event[] = [];
  for (const event of events) {
    const last = result.at(-1);
    if (event.type === "data" && last?.type === "data" && last.streamId === event.streamId && !last.endStream) {
      result.splice(-1, 1, { ...event, data: concat([last.data, event.data]) });
    } else result.push(event);
  }
  return result;
}

function play(bytes: Uint8Array, cuts: readonly number[]): { events: Http2Event[]; sent: string; streams: number[] } {
  const out: Uint8Array[] = [];
  const events: Http2Event[] = [];
  let state = openConnection(out);
  let at = 0;
  for (const end of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    state = structuredClone(state);
    events.push(...receive(state, bytes.slice(at, end), NOW, out));
    at = end;
  }
  expect(state).toMatchObject({ partial: EMPTY, data: undefined, skip: 0, block: undefined, phase: "open" });
  return { events: joined(events), sent: toHex(concat(out)), streams: state.streams.map(([id]) => id) };
}

function scriptOf(actions: readonly Action[]): Script {
  const script = new Script();
  for (const next of actions) script.add(next);
  return script;
}

describe("a session", () => {
  test("gives the events that its frames mean, whatever the cuts", () => {
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 40 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 }),
        (actions, cuts) => {
          const script = scriptOf(actions);
          const bytes = concat(script.frames);
          const whole = play(bytes, []);
          expect(whole.events).toEqual(joined(script.events));
          const pieces = play(
            bytes,
            cuts.map((cut) => Math.floor(cut * bytes.length)),
          );
          expect(pieces).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  const fixed: readonly Action[] = [
    { do: "request", path: "/first", pieces: 3, padding: 4, priority: true, endStream: false },
    { do: "data", which: 0, length: 100, padding: 7, endStream: false },
    { do: "request", path: "/second", pieces: 1, padding: undefined, priority: false, endStream: false },
    { do: "unknown", length: 30 },
    { do: "data", which: 0, length: 0, padding: 9, endStream: false },
    { do: "window", which: 1, increment: 70_000 },
    { do: "settings" },
    { do: "data", which: 1, length: 50, padding: undefined, endStream: true },
    { do: "ping" },
    { do: "request", path: "/third", pieces: 2, padding: undefined, priority: false, endStream: false },
    { do: "reset", which: 1, code: 8 },
    { do: "late data", length: 20, padding: 3 },
    { do: "trailers", which: 0 },
    { do: "priority" },
    { do: "goaway", length: 25 },
  ];

  test("may be cut at any one offset", () => {
    const bytes = concat(scriptOf(fixed).frames);
    const whole = play(bytes, []);
    for (let cut = 1; cut < bytes.length; cut++) expect(play(bytes, [cut])).toEqual(whole);
  });

  test("may come one byte at a time", () => {
    const bytes = concat(scriptOf(fixed).frames);
    const everywhere = Array.from({ length: bytes.length }, (_, i) => i);
    expect(play(bytes, everywhere)).toEqual(play(bytes, []));
  });

  test("waits silently wherever it is truncated", () => {
    const script = scriptOf(fixed);
    const bytes = concat(script.frames);
    const { events } = play(bytes, []);
    for (let end = 0; end < bytes.length; end++) {
      const seen = receive(openConnection([]), bytes.slice(0, end), NOW, []);
      const complete = joined(seen).filter((event) => event.type !== "data" || event.endStream);
      const expected = events.filter((event) => event.type !== "data" || event.endStream);
      expect(expected.slice(0, complete.length).map(({ type }) => type)).toEqual(complete.map(({ type }) => type));
    }
  });
});
