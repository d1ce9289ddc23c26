import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { noiseCrypto } from "../../worker/platform/noise-crypto.ts";
import { utf8 } from "../../worker/protocol/bytes.ts";
import { respond } from "../../worker/protocol/noise/handshake.ts";
import { encodeHandshakeError } from "../../worker/protocol/noise/messages.ts";
import { keyPair } from "../testing/noise-worker.ts";
import { NoiseProbe } from "./noise-probe.ts";

async function exchange() {
  const server = keyPair();
  const probe = await NoiseProbe.begin(server.publicKey);
  const initiation = new Uint8Array(Buffer.from(probe.handshake, "base64"));
  const { response, version } = await respond(noiseCrypto, server, initiation, new Uint8Array(randomBytes(32)));
  return { probe, initiation, response, version };
}

describe("NoiseProbe", () => {
  it("sends an initiation that the server accepts, and believes its response", async () => {
    const { probe, initiation, response, version } = await exchange();
    expect([initiation.length, version]).toEqual([101, 113]);
    expect(await probe.judge(response)).toMatchObject({ kind: "proved" });
  });

  it("does not believe a response with any bit changed", async () => {
    for (const at of [3, 20, 34, 35, 50]) {
      const { probe, response } = await exchange();
      response[at] = (response[at] ?? 0) ^ 1;
      expect(await probe.judge(response)).toEqual({ kind: "unproved" });
    }
  });

  it("does not believe a response to somebody else, or one made of zeros", async () => {
    const [one, other] = [await exchange(), await exchange()];
    expect(await one.probe.judge(other.response)).toEqual({ kind: "unproved" });
    const zeros = new Uint8Array(51);
    zeros.set([2, 0, 48]);
    expect(await other.probe.judge(zeros)).toEqual({ kind: "unproved" });
  });

  it("reads an error and refuses what is no message", async () => {
    const { probe } = await exchange();
    expect(await probe.judge(encodeHandshakeError("no"))).toEqual({ kind: "error", text: "no" });
    expect(await probe.judge(utf8("HTTP/1.1 200 OK"))).toEqual({ kind: "malformed" });
    expect(await probe.judge(new Uint8Array(0))).toEqual({ kind: "malformed" });
  });

  it("knows when a message is whole, and waits for no endless one", async () => {
    const { response } = await exchange();
    for (let length = 0; length < 51; length++) expect(NoiseProbe.isWhole(response.subarray(0, length))).toBe(false);
    expect(NoiseProbe.isWhole(response)).toBe(true);
    const endless = new Uint8Array(2_000);
    endless.set([3, 0xff, 0xff]);
    expect(NoiseProbe.isWhole(endless)).toBe(true);
  });
});
