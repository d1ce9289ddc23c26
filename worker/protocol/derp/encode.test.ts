// Layouts of control-protocol.md 7.3, byte by byte, and as an independent client reads them.
import { expect, test } from "vitest";
import { DerpClient, packetFrame } from "../../../test/support/derp-client.ts";
import { concat, toHex, utf8 } from "../bytes.ts";
import {
  encodeHealth,
  encodePeerGone,
  encodePing,
  encodePong,
  encodeRestarting,
  encodeServerKey,
  KEEP_ALIVE,
  turnIntoRecvPacket,
} from "./encode.ts";
import { isDiscoPacket, PeerGoneReason } from "./frame.ts";

const key = new Uint8Array(32).fill(0xab);
const eight = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const keyHex = "ab".repeat(32);

test.each([
  ["ServerKey", encodeServerKey(key), `01000000284445525 0f09f9491${keyHex}`],
  ["KeepAlive", KEEP_ALIVE, "0600000000"],
  ["PeerGone, disconnected", encodePeerGone(key, PeerGoneReason.DISCONNECTED), `0800000021${keyHex}00`],
  ["PeerGone, not here", encodePeerGone(key, PeerGoneReason.NOT_HERE), `0800000021${keyHex}01`],
  ["Ping", encodePing(eight), "12000000080102030405060708"],
  ["Pong", encodePong(eight), "13000000080102030405060708"],
  ["Health", encodeHealth("ok?"), "14000000036f6b3f"],
  ["Health, healthy again", encodeHealth(""), "1400000000"],
  ["Restarting", encodeRestarting(1000, 0x01020304), "1500000008000003e801020304"],
])("encodes %s", (_name, frame, expected) => {
  expect(toHex(frame)).toBe(expected.replaceAll(" ", ""));
});

test("turns SendPacket into RecvPacket where it stands", () => {
  const frame = packetFrame(new Uint8Array(32).fill(1), utf8("packet"));
  turnIntoRecvPacket(frame, key);
  expect(toHex(frame)).toBe(`0500000026${keyHex}${toHex(utf8("packet"))}`);
});

test("an independent client reads every frame, in any division", () => {
  const stream = concat([
    encodeServerKey(key),
    KEEP_ALIVE,
    encodePeerGone(key, 1),
    encodePing(eight),
    encodeHealth("x"),
  ]);
  for (const size of [1, 2, 7, stream.length]) {
    const client = new DerpClient(new Uint8Array(32).fill(3), () => {});
    for (let at = 0; at < stream.length; at += size) client.receive(stream.subarray(at, at + size));
    expect(client.frames.map((frame) => frame.type)).toEqual([1, 6, 8, 0x12, 0x14]);
  }
});

test("knows a path-discovery packet by its magic and its key", () => {
  const magic = Uint8Array.of(0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac);
  const packetOf = (...parts: Uint8Array[]) => packetFrame(key, concat(parts));
  expect(isDiscoPacket(packetOf(magic, key))).toBe(true);
  expect(isDiscoPacket(packetOf(magic, key, utf8("content")))).toBe(true);
  expect(isDiscoPacket(packetOf(magic, key.subarray(1)))).toBe(false);
  expect(isDiscoPacket(packetOf())).toBe(false);
  for (let at = 0; at < magic.length; at++) {
    const other = magic.slice();
    other[at] = (other[at] ?? 0) ^ 1;
    expect(isDiscoPacket(packetOf(other, key))).toBe(false);
  }
});
