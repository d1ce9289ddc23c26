// The writers of the crash tests: REST and control protocol, single values and sets, and two commands that write more
// than one row, so that a half-made change would show.
import { setTimeout as sleep } from "node:timers/promises";
import type { Api, Device } from "../api.ts";
import { newNodeKey, ScriptedNode } from "../scripted-node.ts";
import { configurationWriters } from "./configuration-writers.ts";
import type { Parts } from "./parts.ts";
import { CellWriter, type Snapshot, type Writer } from "./writer.ts";

const ADMIN = "admin@localhost"; // scripts/stack/first-administrator.ts
const TAGS = Array.from({ length: 10 }, (_, i) => `tag:t${i}`);
/** Routes that the policy writer approves in turn; wide enough that a wrong one would not be there by chance. */
const ROUTES = Array.from({ length: 100 }, (_, i) => `10.77.${i}.0/24`);
const REGISTERED_MAX = 20;
/** One machine may register once a second, and sixty times ahead (worker/control/rate-limit.ts). */
const ROTATION_PAUSE_MS = 500;

/** Makes the nodes that are written to, and the writers. */
export async function startWriters(parts: Parts): Promise<Writer[]> {
  const { api } = parts;
  await api.setPolicy(policyText(0));
  const router = await joined(parts, "router", "worker", { RoutableIPs: ROUTES });
  const named = await joined(parts, "named", "gateway", { RoutableIPs: ["10.88.0.0/16"] });
  const tagged = await joined(parts, "tagged", "gateway");
  const rotated = await joined(parts, "rotated", "gateway");
  const ids = new Map((await api.devices()).map((device) => [device.hostname, device.nodeId]));
  const id = (node: ScriptedNode) => ids.get(node.hostname) ?? "";
  for (const node of [named, tagged]) node.disconnect();
  return [
    policyWriter(api, router),
    new CellWriter({
      name: "rename",
      value: (n) => `named-${n}`,
      write: (name) => api.renameDevice(id(named), name),
      read: (snapshot) => deviceIn(snapshot, named.hostname).name.split(".")[0] ?? "",
    }),
    new CellWriter({
      name: "tags",
      value: (n) => String([TAGS[n % 10], TAGS[(n + 3) % 10]].toSorted(byText)),
      write: (tags) => api.setTags(id(tagged), tags.split(",")),
      read: (snapshot) => String((deviceIn(snapshot, tagged.hostname).tags ?? []).toSorted(byText)),
    }),
    new CellWriter({
      name: "routes",
      value: (n) => `10.88.${n % 256}.0/24`,
      write: async (route) => void (await api.approveRoutes(id(named), [route])),
      read: (snapshot) => String(deviceIn(snapshot, named.hostname).enabledRoutes),
    }),
    ...configurationWriters(api),
    endpointWriter(parts, router, "worker"),
    rotationWriter(parts, rotated),
    new KeyWriter(api),
    new RegisterWriter(parts, "gateway"),
    new RegisterWriter(parts, "worker"),
  ];
}

/** One command that writes the policy and the routes that it approves. */
function policyWriter(api: Api, router: ScriptedNode): Writer {
  return new CellWriter({
    name: "policy",
    value: String,
    write: (n) => api.setPolicy(policyText(Number(n))),
    read: (snapshot) => {
      const n = /^\/\/ version (\d+)\n/.exec(snapshot.policy)?.[1];
      if (n === undefined || snapshot.policy !== policyText(Number(n))) throw new Error("policy: not as any was sent");
      const route = ROUTES[Number(n) % ROUTES.length] ?? "";
      if (!deviceIn(snapshot, router.hostname).enabledRoutes.includes(route)) {
        throw new Error(`policy: version ${n} is in force but has not approved ${route}`);
      }
      return n;
    },
  });
}

function policyText(n: number): string {
  const policy = {
    tagOwners: Object.fromEntries(TAGS.map((tag) => [tag, [ADMIN]])),
    grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }],
    autoApprovers: { routes: { [ROUTES[n % ROUTES.length] ?? ""]: [ADMIN] } },
  };
  return `// version ${n}\n${JSON.stringify(policy, null, 2)}\n`;
}

function endpointWriter(parts: Parts, node: ScriptedNode, via: Via): Writer {
  return new CellWriter({
    name: "lite updates",
    value: (n) => `192.0.2.1:${(n % 60_000) + 1}`,
    write: async (endpoint) => {
      await connected(parts, node, via);
      await node.reportEndpoints([endpoint]);
    },
    read: (snapshot) => String(deviceIn(snapshot, node.hostname).clientConnectivity?.endpoints),
  });
}

function rotationWriter(parts: Parts, node: ScriptedNode): Writer {
  let identity: string | undefined;
  return new CellWriter({
    name: "key rotation",
    value: newNodeKey,
    write: async (nodeKey) => {
      await connected(parts, node, "gateway");
      await node.rotateKey(nodeKey, parts.authKey);
      await sleep(ROTATION_PAUSE_MS);
    },
    read: (snapshot) => {
      const device = deviceIn(snapshot, node.hostname);
      const now = `${device.nodeId} ${device.addresses.join()}`;
      identity ??= now;
      if (identity !== now) throw new Error(`key rotation: ${identity} has become ${now}`);
      node.adoptKey(device.nodeKey);
      return device.nodeKey;
    },
  });
}

/** Makes auth keys and revokes every other one. */
class KeyWriter implements Writer {
  readonly name = "auth keys";
  acknowledged = 0;
  readonly #api: Api;
  readonly #live = new Map<string, string>();
  readonly #revoked = new Set<string>();
  #n = 0;
  #inFlight: { readonly made?: string; readonly revoked?: string } = {};

  constructor(api: Api) {
    this.#api = api;
  }

  async step(): Promise<void> {
    const description = `crash ${++this.#n}`;
    this.#inFlight = { made: description };
    const { id } = await this.#api.createAuthKey({ description });
    this.#live.set(id, description);
    this.#inFlight = {};
    this.acknowledged++;
    if (this.#n % 2 === 0 || this.#live.size > REGISTERED_MAX) await this.#revokeOldest();
  }

  async verify({ keys }: Snapshot): Promise<void> {
    const { made, revoked } = this.#inFlight;
    for (const [id, description] of this.#live) {
      if (keys.get(id) === description || id === revoked) continue;
      throw new Error(`auth keys: "${description}" was made, and is not there`);
    }
    for (const [id, description] of keys) {
      if (!description.startsWith("crash ") || this.#live.has(id)) continue;
      if (this.#revoked.has(id)) throw new Error(`auth keys: "${description}" was revoked, and is back`);
      if (description !== made) throw new Error(`auth keys: "${description}" was never made, or twice`);
      this.#live.set(id, description);
    }
    if (revoked !== undefined && !keys.has(revoked)) this.#forget(revoked);
    this.#inFlight = {};
  }

  async #revokeOldest(): Promise<void> {
    const [id] = this.#live.keys();
    if (id === undefined) return;
    this.#inFlight = { revoked: id };
    await this.#api.deleteKey(id);
    this.#forget(id);
    this.#inFlight = {};
    this.acknowledged++;
  }

  #forget(id: string): void {
    this.#live.delete(id);
    this.#revoked.add(id);
  }
}

interface Registered {
  readonly node: ScriptedNode;
  readonly keyId: string;
  /** Set by the first look at it. */
  device?: Device;
}

/** Registers new nodes, each with a key of its own that it uses up, and deletes old ones. */
class RegisterWriter implements Writer {
  readonly name: string;
  acknowledged = 0;
  readonly #parts: Parts;
  readonly #via: Via;
  readonly #live = new Map<string, Registered>();
  readonly #deleted = new Set<string>();
  #n = 0;
  #joining: Registered | undefined;
  #leaving: string | undefined;

  constructor(parts: Parts, via: Via) {
    this.#parts = parts;
    this.#via = via;
    this.name = `register by ${via}`;
  }

  async step(): Promise<void> {
    if (this.#live.size > REGISTERED_MAX) await this.#deleteOldest();
    const node = new ScriptedNode(`new-${this.#via}-${++this.#n}`);
    const { id: keyId, key } = await this.#parts.api.createAuthKey({ description: "for one" });
    await connected(this.#parts, node, this.#via);
    this.#joining = { node, keyId };
    await node.register(key);
    this.#live.set(node.hostname, this.#joining);
    this.#joining = undefined;
    this.acknowledged++;
    node.disconnect();
  }

  async verify(snapshot: Snapshot): Promise<void> {
    for (const [hostname, known] of this.#live) {
      const device = snapshot.devices.get(hostname);
      if (device !== undefined) this.#compare(known, device);
      else if (hostname !== this.#leaving) throw new Error(`${this.name}: ${hostname} had joined, and is not there`);
      else this.#forget(hostname);
      if (snapshot.keys.has(known.keyId)) throw new Error(`${this.name}: the key of ${hostname} can be used again`);
    }
    for (const hostname of this.#deleted) {
      if (snapshot.devices.has(hostname)) throw new Error(`${this.name}: ${hostname} was deleted, and is back`);
    }
    if (this.#joining !== undefined) this.#settleJoining(this.#joining, snapshot);
    this.#joining = undefined;
    this.#leaving = undefined;
  }

  /** The node and its use of the key: both or neither. */
  #settleJoining(joining: Registered, { devices, keys }: Snapshot): void {
    const { hostname } = joining.node;
    const device = devices.get(hostname);
    if ((device !== undefined) === keys.has(joining.keyId)) {
      throw new Error(
        `${this.name}: ${hostname} ${device ? "joined without using" : "used, without joining,"} its key`,
      );
    }
    if (device === undefined) return;
    this.#live.set(hostname, joining);
    this.#compare(joining, device);
  }

  #compare(known: Registered, device: Device): void {
    const expected = known.device ?? { ...device, nodeKey: known.node.nodeKey };
    for (const field of ["id", "nodeId", "nodeKey", "machineKey", "name"] as const) {
      if (device[field] === expected[field]) continue;
      throw new Error(`${this.name}: ${field} of ${device.hostname}: ${expected[field]} has become ${device[field]}`);
    }
    if (String(device.addresses) !== String(expected.addresses)) {
      throw new Error(`${this.name}: ${device.hostname} has other addresses`);
    }
    known.device = device;
  }

  async #deleteOldest(): Promise<void> {
    const [hostname] = this.#live.keys();
    const device = hostname === undefined ? undefined : this.#live.get(hostname)?.device;
    if (hostname === undefined || device === undefined) return;
    this.#leaving = hostname;
    await this.#parts.api.deleteDevice(device.nodeId);
    this.#forget(hostname);
    this.#leaving = undefined;
    this.acknowledged++;
  }

  #forget(hostname: string): void {
    this.#live.delete(hostname);
    this.#deleted.add(hostname);
  }
}

function byText(a = "", b = ""): number {
  return a < b ? -1 : 1;
}

type Via = "gateway" | "worker";

async function connected(parts: Parts, node: ScriptedNode, via: Via): Promise<void> {
  if (node.isConnected) return;
  const url = via === "gateway" ? parts.controlUrl : parts.workerUrl;
  await node.connect({ url, via, serverPublicKey: parts.serverPublicKey });
}

/** Registers a scripted node, which stays connected. */
export async function joined(parts: Parts, hostname: string, via: Via, hostinfo = {}): Promise<ScriptedNode> {
  const node = new ScriptedNode(hostname, { NetInfo: { PreferredDERP: 900 }, ...hostinfo });
  await connected(parts, node, via);
  await node.register(parts.authKey);
  return node;
}

function deviceIn({ devices }: Snapshot, hostname: string): Device {
  const device = devices.get(hostname);
  if (device === undefined) throw new Error(`${hostname} is not there any more`);
  return device;
}
