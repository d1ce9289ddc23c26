// A node without a data plane, for tests that need many or that must know exactly what was asked and answered: it has
// keys, registers, reports its endpoints and reads its map stream, and it never retries.
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { decompressFrames } from "../../../agent/control/zstd-frames.ts";
import { type ConnectOptions, ControlConnection } from "./control-connection.ts";

const CAPABILITY_VERSION = 133;

/** A message of a map stream; only what tests look at. */
export interface MapMessage {
  readonly KeepAlive?: boolean;
  readonly Node?: { readonly ID: number };
  readonly Peers?: readonly { readonly ID: number }[];
  readonly PeersChanged?: readonly { readonly ID: number; readonly Name: string }[];
  readonly PeersChangedPatch?: readonly { readonly NodeID: number; readonly Endpoints?: readonly string[] }[];
  readonly PacketFilters?: Readonly<Record<string, unknown>>;
}

interface RegisterAnswer {
  readonly Error: string;
  readonly MachineAuthorized: boolean;
  readonly Login: { readonly LoginName: string };
}

/** Where a server is reached. */
export type ControlAddress = Pick<ConnectOptions, "url" | "via" | "serverPublicKey">;

/** The control server's Noise key, as `GET /key` tells it. */
export async function fetchServerKey(url: string): Promise<Uint8Array> {
  const { publicKey } = (await (await fetch(`${url}/key?v=${CAPABILITY_VERSION}`)).json()) as { publicKey: string };
  return Buffer.from(publicKey.slice("mkey:".length), "hex");
}

/** A node: one machine with one login. */
export class ScriptedNode {
  readonly hostname: string;
  readonly #machineKey = newKey();
  readonly #discoKey = `discokey:${newKey().publicHex}`;
  #nodeKey = newNodeKey();
  #connection: ControlConnection | undefined;
  #hostinfo: Readonly<Record<string, unknown>>;

  /** @param hostinfo added to what it tells of itself, for example RoutableIPs */
  constructor(hostname: string, hostinfo: Readonly<Record<string, unknown>> = {}) {
    this.hostname = hostname;
    this.#hostinfo = { Hostname: hostname, OS: "linux", IPNVersion: "1.102.3", ...hostinfo };
  }

  /** `nodekey:…` in use. */
  get nodeKey(): string {
    return this.#nodeKey;
  }

  get isConnected(): boolean {
    return this.#connection !== undefined && !this.#connection.isClosed;
  }

  /** Opens a connection in place of the one it has. @throws ConnectionLost */
  async connect(address: ControlAddress): Promise<void> {
    this.disconnect();
    this.#connection = await ControlConnection.open({ ...address, machinePrivateKey: this.#machineKey.privateKey });
  }

  /** Ends its connection without a farewell. */
  disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Registers its node key; returns the login name that it is given. @throws Error with the server's words when it is refused */
  async register(authKey: string): Promise<string> {
    return await this.#register(this.#nodeKey, undefined, authKey);
  }

  /** Registers a new node key in place of its own. @param nodeKey made by {@link newNodeKey} */
  async rotateKey(nodeKey: string, authKey: string): Promise<void> {
    await this.#register(nodeKey, this.#nodeKey, authKey);
    this.#nodeKey = nodeKey;
  }

  /** Takes a key as its own that a lost answer may have made so. */
  adoptKey(nodeKey: string): void {
    this.#nodeKey = nodeKey;
  }

  /** A lite update: reports endpoints and waits for the acknowledgement. @throws Error when it is refused */
  async reportEndpoints(endpoints: readonly string[]): Promise<void> {
    const { status } = await this.#open().post("/machine/map", {
      ...this.#mapRequest(),
      OmitPeers: true,
      Endpoints: endpoints,
      EndpointTypes: endpoints.map(() => 1),
    });
    if (status !== 200) throw new Error(`${this.hostname}: lite update answered ${status}`);
  }

  /** Opens its map stream. `onMessage` gets each message but keep-alives, and the instant of its arrival. */
  openMap(onMessage: (message: MapMessage, at: number) => void): void {
    let pending: Buffer = Buffer.alloc(0);
    this.#open().stream("/machine/map", { ...this.#mapRequest(), Stream: true, KeepAlive: true }, (bytes) => {
      const at = performance.now();
      pending = Buffer.concat([pending, bytes]);
      while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32LE(0)) {
        const end = 4 + pending.readUInt32LE(0);
        const message = JSON.parse(Buffer.from(decompressFrames(pending.subarray(4, end))).toString()) as MapMessage;
        pending = pending.subarray(end);
        if (message.KeepAlive !== true) onMessage(message, at);
      }
    });
  }

  async #register(nodeKey: string, oldNodeKey: string | undefined, authKey: string): Promise<string> {
    const response = await this.#open().post("/machine/register", {
      Version: CAPABILITY_VERSION,
      NodeKey: nodeKey,
      ...(oldNodeKey !== undefined && { OldNodeKey: oldNodeKey }),
      Auth: { AuthKey: authKey },
      Hostinfo: this.#hostinfo,
    });
    const text = Buffer.from(response.body).toString();
    if (response.status !== 200) throw new Error(`${this.hostname}: register answered ${response.status}: ${text}`);
    const { Error: refusal, MachineAuthorized, Login } = JSON.parse(text) as RegisterAnswer;
    if (refusal !== "" || !MachineAuthorized) throw new Error(`${this.hostname}: ${refusal || "not authorized"}`);
    return Login.LoginName;
  }

  #mapRequest() {
    return {
      Version: CAPABILITY_VERSION,
      NodeKey: this.#nodeKey,
      DiscoKey: this.#discoKey,
      Compress: "zstd",
      Hostinfo: this.#hostinfo,
    };
  }

  #open(): ControlConnection {
    if (this.#connection === undefined) throw new Error(`${this.hostname} is not connected`);
    return this.#connection;
  }
}

/** A fresh node key, `nodekey:…`; nobody needs its private half. */
export function newNodeKey(): string {
  return `nodekey:${newKey().publicHex}`;
}

function newKey(): { readonly privateKey: Uint8Array; readonly publicHex: string } {
  const { privateKey } = generateKeyPairSync("x25519");
  return { privateKey: raw(privateKey, "d"), publicHex: raw(createPublicKey(privateKey), "x").toString("hex") };
}

function raw(key: KeyObject, part: "d" | "x"): Buffer {
  return Buffer.from(key.export({ format: "jwk" })[part] ?? "", "base64url");
}
