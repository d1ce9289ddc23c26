// The boxes of a login: the vector that NaCl itself is tested with, and an independent client.
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { expect, test } from "vitest";
import { DerpClient } from "../../../test/support/derp-client.ts";
import { noiseCrypto } from "../../platform/noise-crypto.ts";
import { EMPTY, fromHex, toHex } from "../bytes.ts";
import { ProtocolError } from "../errors.ts";
import { encodeServerKey } from "./encode.ts";
import { boxKeyOf, encodeServerInfo, openClientInfo } from "./login.ts";

const privateKey = new Uint8Array(32).fill(5);
const server = { privateKey, publicKey: noiseCrypto.publicKey(privateKey) };

function hex(text: string): Uint8Array {
  return fromHex(text) ?? EMPTY;
}

/** The ClientInfo payload of a client, and the client. */
async function greet(info?: Record<string, unknown>): Promise<{ client: DerpClient; payload: Uint8Array }> {
  const client = new DerpClient(new Uint8Array(32).fill(6), () => {});
  client.receive(encodeServerKey(server.publicKey));
  const frame = await client.sendClientInfo(info);
  return { client, payload: frame.subarray(5) };
}

test("makes the key of NaCl's own test from its shared secret, and the box from that", () => {
  const boxKey = boxKeyOf(hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"));
  expect(toHex(boxKey)).toBe("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
  const nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
  const message =
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705";
  const box =
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5";
  expect(toHex(xsalsa20poly1305(boxKey, nonce).encrypt(hex(message)))).toBe(box);
});

test("opens what a client says of itself", async () => {
  const { client, payload } = await greet({ version: 2, CanAckPings: true, IsProber: false });
  const login = await openClientInfo(noiseCrypto, server, payload);
  expect(toHex(login.nodeKey)).toBe(toHex(client.publicKey));
  expect(login.canAckPings).toBe(true);
});

test.each([{}, { CanAckPings: false }, { CanAckPings: "true" }])(
  "takes a client with %j for one that does not answer pings",
  async (info) => {
    const { payload } = await greet({ version: 2, ...info });
    expect((await openClientInfo(noiseCrypto, server, payload)).canAckPings).toBe(false);
  },
);

test("answers with a ServerInfo that the client opens", async () => {
  const client = new DerpClient(new Uint8Array(32).fill(6), () => {});
  client.receive(encodeServerKey(server.publicKey));
  const done = client.logIn();
  // The client has read the ServerKey by now, and its ClientInfo has the same box key as the answer.
  const boxKey = boxKeyOf(await noiseCrypto.dh(server.privateKey, client.publicKey));
  client.receive(encodeServerInfo(boxKey, new Uint8Array(24).fill(1)));
  expect(await done).toEqual({ version: 2 });
});

async function refused(payload: Uint8Array): Promise<boolean> {
  return openClientInfo(noiseCrypto, server, payload).then(
    () => false,
    (error) => error instanceof ProtocolError,
  );
}

test("refuses a ClientInfo that is cut off anywhere", async () => {
  const { payload } = await greet();
  for (let length = 0; length < payload.length; length++) {
    expect(await refused(payload.subarray(0, length)), `${length} bytes`).toBe(true);
  }
});

test("refuses a ClientInfo with any byte changed", async () => {
  const { payload } = await greet();
  for (let at = 0; at < payload.length; at++) {
    const changed = payload.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(await refused(changed), `byte ${at}`).toBe(true);
  }
});

test.each([{ version: 1 }, { version: 3 }, {}, [], null, 2, "2"])("refuses a ClientInfo that says %j", async (info) => {
  const { payload } = await greet(info as Record<string, unknown>);
  expect(await refused(payload)).toBe(true);
});

test("refuses a ClientInfo from a key of small order", async () => {
  expect(await refused(new Uint8Array(132))).toBe(true);
});
