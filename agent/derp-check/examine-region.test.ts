// Which part of a relay is slow: against a relay in this process that answers one part late.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import tls, { type TLSSocket } from "node:tls";
import { Registry } from "prom-client";
import { afterEach, describe, expect, it } from "vitest";
import { noiseCrypto } from "../../worker/platform/noise-crypto.ts";
import type { DerpRegion } from "../../worker/protocol/control/derp-map.ts";
import { decodeFrames, newDecoder } from "../../worker/protocol/derp/decode.ts";
import { encodePong, encodeServerKey, turnIntoRecvPacket } from "../../worker/protocol/derp/encode.ts";
import { type Frame, FrameType, keyText, NONCE_LENGTH, payloadOf } from "../../worker/protocol/derp/frame.ts";
import { encodeServerInfo, openClientInfo } from "../../worker/protocol/derp/login.ts";
import { DERP_MAX_FRAME } from "../../worker/protocol/limits.ts";
import { selfSignedCertificate } from "../gateway/certificate.ts";
import type { Log } from "../log.ts";
import { StunServer } from "../stun/stun-server.ts";
import { examineRegion } from "./examine-region.ts";

/** Milliseconds that a part of the relay takes more than it needs. */
interface Delays {
  readonly https?: number;
  readonly ping?: number;
  readonly packet?: number;
}

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };

/** A relay, and a STUN server if wanted, as a region of a DERP map. */
async function startRegion(delays: Delays, hasStun = true): Promise<DerpRegion> {
  const { cert, key, sha256 } = await selfSignedCertificate(["127.0.0.1"]);
  const privateKey = Uint8Array.from(randomBytes(32));
  const keys = { privateKey, publicKey: noiseCrypto.publicKey(privateKey) };
  const peers = new Map<string, TLSSocket>();
  const server = tls.createServer({ cert, key }, (socket) => {
    socket.on("error", () => {});
    void serve(socket, { keys, peers, delays });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUps.push(() => server.close());
  const stun = new StunServer({ addresses: ["127.0.0.1"], port: 0, registry: new Registry(), log: silent });
  let stunPort = -1;
  if (hasStun) {
    stunPort = await stun.open();
    cleanUps.push(() => stun.close());
  }
  const node = {
    Name: "7a",
    RegionID: 7,
    HostName: "127.0.0.1",
    IPv4: "127.0.0.1",
    IPv6: "none",
    DERPPort: (server.address() as AddressInfo).port,
    STUNPort: stunPort,
    CertName: `sha256-raw:${sha256}`,
  };
  return { RegionID: 7, RegionCode: "slow", RegionName: "slow", Nodes: [node] };
}

interface Serving {
  readonly keys: { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array };
  readonly peers: Map<string, TLSSocket>;
  readonly delays: Delays;
}

/** One connection: the probe, or the relay for as long as it lasts. */
async function serve(socket: TLSSocket, { keys, peers, delays }: Serving): Promise<void> {
  const [request] = (await once(socket, "data")) as [Buffer];
  if (request.includes("/derp/latency-check")) {
    await sleep(delays.https ?? 0);
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n");
  socket.write(encodeServerKey(keys.publicKey));
  let nodeKey: Uint8Array | undefined;
  const take = async (frame: Frame) => {
    if (frame.type === FrameType.CLIENT_INFO) {
      const login = await openClientInfo(noiseCrypto, keys, payloadOf(frame));
      nodeKey = login.nodeKey;
      peers.set(keyText(nodeKey, 0), socket);
      socket.write(encodeServerInfo(login.boxKey, Uint8Array.from(randomBytes(NONCE_LENGTH))));
    } else if (frame.type === FrameType.PING) {
      await sleep(delays.ping ?? 0);
      socket.write(encodePong(payloadOf(frame)));
    } else if (frame.type === FrameType.SEND_PACKET && nodeKey !== undefined) {
      const peer = peers.get(keyText(frame.bytes, 5));
      turnIntoRecvPacket(frame.bytes, nodeKey);
      if (delays.packet !== undefined) await sleep(delays.packet);
      if (peer?.writable === true) peer.write(frame.bytes);
    }
  };
  const state = newDecoder();
  socket.on("data", (chunk: Buffer) => {
    for (const frame of decodeFrames(state, Uint8Array.from(chunk), () => DERP_MAX_FRAME)) void take(frame);
  });
}

async function examine(region: DerpRegion) {
  const keys = [Uint8Array.from(randomBytes(32)), Uint8Array.from(randomBytes(32))] as const;
  const findings = await examineRegion(region, { keys, areNodes: true, slow: SLOW });
  return Object.fromEntries(findings.map(({ check, status, detail }) => [check, { status, detail }]));
}

/** Limits that a relay in this process keeps on a machine that is busy, and that the delays below do not. */
const SLOW = { bytesPerSecond: 400_000, beyondMs: 700 };
const CHECKS = ["stun 7a", "https 7a", "relay 7a", "ping 7a", "throughput 7a"];

describe("examineRegion", () => {
  it("calls a relay slow that takes much more time than its network, unless told otherwise", async () => {
    const keys = [Uint8Array.from(randomBytes(32)), Uint8Array.from(randomBytes(32))] as const;
    const findings = await examineRegion(await startRegion({ https: 1_000 }), { keys, areNodes: true });
    expect(findings.find(({ check }) => check === "https 7a")).toMatchObject({ status: "problem" });
  });

  it("finds nothing slow in a relay that is not", async () => {
    const found = await examine(await startRegion({}));
    expect(Object.keys(found)).toEqual(CHECKS);
    expect(new Set(Object.values(found).map(({ status }) => status))).toEqual(new Set(["ok"]));
  });

  it.each([
    ["https 7a", { https: 2_000 }, /^slow: connect .* answer \d{4} ms$/],
    ["ping 7a", { ping: 1_000 }, /^slow: \d{4} ms \(worst .*\); the network alone takes \d/],
    ["throughput 7a", { packet: 400 }, /^slow: 0\.[01] MB\/s with 32 packets under way$/],
  ])("names %s alone when it is slow", async (slow, delays, words) => {
    const found = await examine(await startRegion(delays));
    expect(Object.keys(found)).toEqual(CHECKS);
    for (const [check, { status, detail }] of Object.entries(found)) {
      expect([check, status]).toEqual([check, check === slow ? "problem" : "ok"]);
      if (check === slow) expect(detail).toMatch(words);
    }
  });

  it("misses a STUN server that the map does not name", async () => {
    const found = await examine(await startRegion({}, false));
    expect(found.stun).toMatchObject({ status: "problem", detail: "the map names no STUN server here" });
    expect(found["ping 7a"]?.status).toBe("ok");
  });
});
