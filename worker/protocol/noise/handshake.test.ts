// The responder against the vectors of control-protocol.md Appendix A, against a client written independently of it
// (test/support), and against a second initiator that has its own state code, hash, HMAC and HKDF.
import { createHash, createHmac, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NoiseInitiator } from "../../../test/support/noise-initiator.ts";
import { noiseCrypto } from "../../platform/noise-crypto.ts";
import { concat, fromUtf8, toBase64, toHex, utf8 } from "../bytes.ts";
import { machineKeyOf } from "../keys.ts";
import { type KeyPair, respond } from "./handshake.ts";
import { encodeHandshakeError } from "./messages.ts";
import { openRecords, sealRecords } from "./transport.ts";

const EMPTY = new Uint8Array(0);

/** 32 consecutive bytes, as the private keys of Appendix A are. */
function consecutive(first: number): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => first + i);
}

function pairOf(privateKey: Uint8Array): KeyPair {
  return { privateKey, publicKey: noiseCrypto.publicKey(privateKey) };
}

const machine = pairOf(consecutive(0x01));
const clientEphemeral = pairOf(consecutive(0x21));
const server = pairOf(consecutive(0x41));
const serverEphemeral = pairOf(consecutive(0x61));

function initiator(version = 113): NoiseInitiator {
  return new NoiseInitiator(
    {
      machinePrivateKey: machine.privateKey,
      serverPublicKey: server.publicKey,
      ephemeralPrivateKey: clientEphemeral.privateKey,
    },
    version,
  );
}

describe("Appendix A", async () => {
  const initiation =
    "00710100605869aff450549732cbaaed5e5df9b30a6da31cb0e5742bad5ad4a1a768f1a67b822e8514e6389169bdfd10afecae5bded9cda3f0157ac1d03cd3620b3bb73a86dbdc7b50c6c11427b648f55eac7b00072ed72ce95bb3932e4fe4904ba64e5b84";
  const result = await respond(noiseCrypto, server, Buffer.from(initiation, "hex"), serverEphemeral.privateKey);

  test("derives the four public keys", () => {
    expect([machine, clientEphemeral, server, serverEphemeral].map((pair) => toHex(pair.publicKey))).toEqual([
      "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c",
      "5869aff450549732cbaaed5e5df9b30a6da31cb0e5742bad5ad4a1a768f1a67b",
      "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466",
      "244fe3b963e899dd295baffce248d3530f3a9a7479ba063002680ebfe7adad49",
    ]);
  });

  test("the test client produces the initiation and its base64 form", () => {
    expect(toHex(initiator().initiation)).toBe(initiation);
    expect(toBase64(initiator().initiation)).toBe(
      "AHEBAGBYaa/0UFSXMsuq7V5d+bMKbaMcsOV0K61a1KGnaPGme4IuhRTmOJFpvf0Qr+yuW97ZzaPwFXrB0DzTYgs7tzqG29x7UMbBFCe2SPVerHsABy7XLOlbs5MuT+SQS6ZOW4Q=",
    );
  });

  test("reads the version and the machine key", () => {
    expect(result.version).toBe(113);
    expect(result.machineKey).toBe(machineKeyOf(machine.publicKey));
  });

  test("answers with the response", () => {
    expect(toHex(result.response)).toBe(
      "020030244fe3b963e899dd295baffce248d3530f3a9a7479ba063002680ebfe7adad49a9aef8e21aa2397cbf77d4532e13ee76",
    );
  });

  test("ends in the handshake hash and the transport keys", () => {
    expect(toHex(result.handshakeHash)).toBe("a0aa60be62494d5fe9df38f93f4afc42b98d725b3b72fefbe682a9d1d3e03e2a");
    expect(toHex(result.transport.rxKey)).toBe("9d8a0c9bfad81a7ac34484c53c3b9e730edd3c0249faac7826a8cf9f4b9713b1");
    expect(toHex(result.transport.txKey)).toBe("5c591b6bc88039fb598c45334d246af59501be8061e51f3950afafc7d1fb28cb");
  });

  test("the test client accepts the response and has the same hash", () => {
    expect(initiator().finish(result.response).handshakeHash).toEqual(result.handshakeHash);
  });
});

describe("with an independent initiator", () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const keys = fc.record({ machine: key, ephemeral: key, server: key, serverEphemeral: key });

  test("agrees on machine key, hash and both keys for any keys and any version", async () => {
    await fc.assert(
      fc.asyncProperty(keys, fc.integer({ min: 0, max: 0xffff }), async (k, version) => {
        const pair = pairOf(k.server);
        const twin = await TwinInitiator.begin(pairOf(k.machine), pairOf(k.ephemeral), pair.publicKey, version);
        const result = await respond(noiseCrypto, pair, twin.initiation, k.serverEphemeral);
        const secrets = await twin.finish(result.response);
        expect(result.version).toBe(version);
        expect(result.machineKey).toBe(machineKeyOf(pairOf(k.machine).publicKey));
        expect(toHex(result.handshakeHash)).toBe(toHex(secrets.hash));
        expect(toHex(result.transport.rxKey)).toBe(toHex(secrets.clientKey));
        expect(toHex(result.transport.txKey)).toBe(toHex(secrets.serverKey));
      }),
      { numRuns: 25 },
    );
  });

  test("carries bytes both ways with the test client", async () => {
    const client = initiator(145);
    const { response, transport } = await respond(noiseCrypto, server, client.initiation, serverEphemeral.privateKey);
    const channel = client.finish(response);
    const upload = new Uint8Array(randomBytes(20_000));
    const download = new Uint8Array(randomBytes(30_000));
    expect(concat(openRecords(noiseCrypto, transport, channel.seal(upload)))).toEqual(upload);
    expect(channel.open(sealRecords(noiseCrypto, transport, download))).toEqual(download);
  });
});

describe("transport state", () => {
  test("survives a structured clone between any two records", async () => {
    const client = initiator();
    const handshake = await respond(noiseCrypto, server, client.initiation, serverEphemeral.privateKey);
    const channel = client.finish(handshake.response);
    let state = handshake.transport;
    for (let i = 0; i < 5; i++) {
      state = structuredClone(state);
      expect(openRecords(noiseCrypto, state, channel.seal(utf8(`up ${i}`))).map(fromUtf8)).toEqual([`up ${i}`]);
      state = structuredClone(state);
      expect(fromUtf8(channel.open(sealRecords(noiseCrypto, state, utf8(`down ${i}`))))).toBe(`down ${i}`);
    }
  });

  test("has keys that own their 32-byte buffers, because a clone copies the whole buffer", async () => {
    const { transport } = await respond(noiseCrypto, server, initiator().initiation, serverEphemeral.privateKey);
    expect(transport.rxKey.buffer.byteLength).toBe(32);
    expect(transport.txKey.buffer.byteLength).toBe(32);
  });
});

test("encodes a handshake error that the client reports", () => {
  const message = encodeHandshakeError("client too old");
  expect(toHex(message)).toBe(`03000e${toHex(utf8("client too old"))}`);
  expect(() => initiator().finish(message)).toThrow("server error: client too old");
});

/** Noise IK of the specification, revision 34, with BLAKE2s and HMAC of node:crypto instead of noble's. */
class TwinInitiator {
  initiation: Uint8Array = EMPTY;
  readonly #machine: KeyPair;
  readonly #ephemeral: KeyPair;
  #h: Uint8Array = hash(utf8("Noise_IK_25519_ChaChaPoly_BLAKE2s"));
  #ck: Uint8Array = this.#h;

  private constructor(machine: KeyPair, ephemeral: KeyPair) {
    this.#machine = machine;
    this.#ephemeral = ephemeral;
  }

  static async begin(machine: KeyPair, ephemeral: KeyPair, serverPublic: Uint8Array, version: number) {
    const twin = new TwinInitiator(machine, ephemeral);
    for (const part of [utf8(`Tailscale Control Protocol v${version}`), serverPublic, ephemeral.publicKey]) {
      twin.#h = hash(twin.#h, part);
    }
    const es = await twin.#mix(ephemeral.privateKey, serverPublic);
    const sealed = twin.#seal(es, machine.publicKey);
    const ss = await twin.#mix(machine.privateKey, serverPublic);
    const tag = twin.#seal(ss, EMPTY);
    const header = new Uint8Array(5);
    new DataView(header.buffer).setUint16(0, version);
    header.set([1, 0, 96], 2);
    twin.initiation = concat([header, ephemeral.publicKey, sealed, tag]);
    return twin;
  }

  async finish(response: Uint8Array): Promise<{ hash: Uint8Array; clientKey: Uint8Array; serverKey: Uint8Array }> {
    const ephemeral = response.slice(3, 35);
    this.#h = hash(this.#h, ephemeral);
    await this.#mix(this.#ephemeral.privateKey, ephemeral);
    const se = await this.#mix(this.#machine.privateKey, ephemeral);
    const tag = response.subarray(35);
    expect(noiseCrypto.open(se, new Uint8Array(12), this.#h, tag)).toEqual(EMPTY);
    this.#h = hash(this.#h, tag);
    const [clientKey, serverKey] = twoKeys(this.#ck, EMPTY);
    return { hash: this.#h, clientKey, serverKey };
  }

  async #mix(privateKey: Uint8Array, publicKey: Uint8Array): Promise<Uint8Array> {
    const [ck, key] = twoKeys(this.#ck, await noiseCrypto.dh(privateKey, publicKey));
    this.#ck = ck;
    return key;
  }

  #seal(key: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const ciphertext = noiseCrypto.seal(key, new Uint8Array(12), this.#h, plaintext);
    this.#h = hash(this.#h, ciphertext);
    return ciphertext;
  }
}

function hash(...parts: Uint8Array[]): Uint8Array {
  const blake2s = createHash("blake2s256");
  for (const part of parts) blake2s.update(part);
  return new Uint8Array(blake2s.digest());
}

// Noise rev 34 §4.3, HKDF with two outputs.
function twoKeys(chainingKey: Uint8Array, secret: Uint8Array): [Uint8Array, Uint8Array] {
  const hmac = (key: Uint8Array, data: Uint8Array) =>
    new Uint8Array(createHmac("blake2s256", key).update(data).digest());
  const temporary = hmac(chainingKey, secret);
  const first = hmac(temporary, Uint8Array.of(1));
  return [first, hmac(temporary, concat([first, Uint8Array.of(2)]))];
}
