// A fresh tailnet for a test inside workerd, with the administration at hand and clients that connect to it.

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { administrationOf, tailnetFor } from "../../../worker/middleware/tailnet-for.ts";
import { actorOf } from "../../../worker/tailnet/entities/actor.ts";
import type { User } from "../../../worker/tailnet/entities/user.ts";
import { ControlClient, type ControlClientOptions, keyPair } from "../../support/control-client.ts";
import { TrunkClient } from "../../support/trunk-client.ts";

/** The administration of the tailnet under test. */
export const administration = administrationOf(env);

let owner: { readonly user: User; readonly token: string } | undefined;

/** The owner of the tailnet, made on first use. */
export async function theOwner(): Promise<User> {
  return (await ownerWithToken()).user;
}

/** The owner of the tailnet with an API token. */
export async function ownerWithToken(): Promise<{ readonly user: User; readonly token: string }> {
  if (owner === undefined) {
    const made = await administration.access.bootstrap("ann@example.com");
    if (!made.ok) throw new Error("bootstrap refused");
    owner = { user: made.result.user, token: made.result.text };
  }
  return owner;
}

/** Makes an auth key; reusable and pre-approved unless told otherwise. */
export async function authKey(
  spec: Partial<Parameters<typeof administration.keys.createAuthKey>[0]> = {},
): Promise<string> {
  const made = await administrationOf(env, actorOf(await theOwner())).keys.createAuthKey({
    isReusable: true,
    isEphemeral: false,
    isPreauthorized: true,
    tags: [],
    lifetimeMs: 3_600_000,
    description: "",
    ...spec,
  });
  if (!made.ok) throw new Error(`auth key refused: ${JSON.stringify(made.refusal)}`);
  return made.result.text;
}

/** Evicts the tailnet's object as hibernation does: sockets stay, memory goes. */
export async function evict(): Promise<void> {
  try {
    await evictDurableObject(tailnetFor(env));
  } catch (error) {
    // Evicted already, and nothing has woken it since.
    if (!(error instanceof Error && error.message.includes("not currently running"))) throw error;
  }
}

/** Rows of the nodes table, as they are stored. */
export async function storedNodes(): Promise<Record<string, unknown>[]> {
  return await runInDurableObject(tailnetFor(env), (_, { storage }) =>
    storage.sql.exec("select * from nodes order by id").toArray(),
  );
}

/** A machine with one login profile, seeded by a small number. */
export interface TestDevice {
  readonly machineKey: string;
  readonly nodeKey: string;
  readonly discoKey: string;
  readonly machinePrivateKey: Uint8Array;
}

/** Keys of the nth test device; no two share a key. */
export function device(n: number): TestDevice {
  const machine = keyPair(n * 4 + 1);
  return {
    machinePrivateKey: machine.privateKey,
    machineKey: `mkey:${machine.publicHex}`,
    nodeKey: `nodekey:${keyPair(n * 4 + 2).publicHex}`,
    discoKey: `discokey:${keyPair(n * 4 + 3).publicHex}`,
  };
}

const trunks: TrunkClient[] = [];
let usesTrunks = false;

/** From now on devices of this test file connect over trunks, several on each, as through a gateway. */
export function connectOverTrunks(): void {
  usesTrunks = true;
}

/** Whether devices connect over trunks. */
export function isOverTrunks(): boolean {
  return usesTrunks;
}

/** Opens a connection on a trunk that has room for it. */
async function fetchOverTrunk(url: string, init: RequestInit): Promise<Response> {
  let trunk = trunks.find(({ closeCode, channels }) => closeCode === undefined && channels < 16);
  if (trunk === undefined) {
    trunk = await TrunkClient.open({ fetch: (to, upgrade) => exports.default.fetch(to, upgrade) });
    trunks.push(trunk);
  }
  return await trunk.fetch(url, init);
}

/** Connects a device. */
export async function connect(from: TestDevice, options: Partial<ControlClientOptions> = {}): Promise<ControlClient> {
  const publicKey = await tailnetFor(env).publicKey();
  const hex = publicKey.slice("mkey:".length);
  return await ControlClient.connect({
    fetch: usesTrunks ? fetchOverTrunk : (url, init) => exports.default.fetch(url, init),
    serverPublicKey: Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)),
    machinePrivateKey: from.machinePrivateKey,
    ...options,
  });
}

/** A register request of a device. */
export function registerBody(from: TestDevice, hostname: string, more: Record<string, unknown> = {}) {
  return {
    Version: 133,
    NodeKey: from.nodeKey,
    OldNodeKey: `nodekey:${"0".repeat(64)}`,
    NLKey: `nlpub:${"0".repeat(64)}`,
    Expiry: "0001-01-01T00:00:00Z",
    Followup: "",
    Hostinfo: { Hostname: hostname, OS: "linux" },
    NodeKeySignature: null,
    ...more,
  };
}

/** A map request of a device; a long poll unless told otherwise. */
export function mapBody(from: TestDevice, more: Record<string, unknown> = {}) {
  return {
    Version: 133,
    Compress: "zstd",
    KeepAlive: true,
    NodeKey: from.nodeKey,
    DiscoKey: from.discoKey,
    Stream: true,
    OmitPeers: false,
    ReadOnly: false,
    Hostinfo: null,
    TKAHead: "",
    ...more,
  };
}

/** Registers a device by auth key and opens its map stream. */
export async function join(from: TestDevice, hostname: string, options: Partial<ControlClientOptions> = {}) {
  const client = await connect(from, options);
  const registered = await client.call(
    "/machine/register",
    registerBody(from, hostname, { Auth: { AuthKey: await authKey() } }),
  );
  if (registered.Error !== "") throw new Error(`register refused: ${String(registered.Error)}`);
  const stream = await client.request("POST", "/machine/map", mapBody(from));
  const first = await client.message(stream, 0);
  return { client, stream, first };
}
