// Builds tailnets for tests of the domain core: users, keys and nodes by short calls, a clock that only tests move and
// random bytes from a seed. Every command goes the way of the runtime (decide → evolve) and leaves the invariants whole.
import { DEFAULT_POLICY } from "../../worker/policy/authority.ts";
import type { Role } from "../../worker/policy/engine.ts";
import type { Hostinfo } from "../../worker/protocol/control/hostinfo.ts";
import type { MapRequest } from "../../worker/protocol/control/map.ts";
import type { RegisterRequest } from "../../worker/protocol/control/register.ts";
import type { DiscoKey, MachineKey, NodeKey, TailnetLockKey } from "../../worker/protocol/keys.ts";
import type { Change, Decision } from "../../worker/tailnet/change.ts";
import { type AuthKeySpec, createAuthKey, createUser } from "../../worker/tailnet/commands/credentials/manage-keys.ts";
import { connectNode, disconnectNode } from "../../worker/tailnet/commands/nodes/presence.ts";
import { updateNode } from "../../worker/tailnet/commands/nodes/update-node.ts";
import type { CommandContext } from "../../worker/tailnet/commands/registration/place-node.ts";
import { registerNode } from "../../worker/tailnet/commands/registration/register-node.ts";
import type { RegisterResult, Registration } from "../../worker/tailnet/commands/registration/registration.ts";
import { meetDeadlines } from "../../worker/tailnet/deadlines.ts";
import { type Effects, noEffects } from "../../worker/tailnet/effects.ts";
import { actorOf, TAILNET_ACTOR } from "../../worker/tailnet/entities/actor.ts";
import type { Node, NodeId } from "../../worker/tailnet/entities/node.ts";
import type { Random } from "../../worker/tailnet/entities/secret-token.ts";
import { DEFAULT_SETTINGS, type Settings } from "../../worker/tailnet/entities/settings.ts";
import { FIRST_USER_ID, type User } from "../../worker/tailnet/entities/user.ts";
import { evolve } from "../../worker/tailnet/evolve.ts";
import type { Refusal } from "../../worker/tailnet/refusal.ts";
import { checkInvariants, openTailnet, type Tailnet } from "../../worker/tailnet/tailnet.ts";

const digits = (n: number) => n.toString(16).padStart(64, "0");

/** The n-th machine key; n > 0. */
export const machineKey = (n: number) => `mkey:${digits(n)}` as MachineKey;
/** The n-th node key; n > 0. */
export const nodeKey = (n: number) => `nodekey:${digits(n)}` as NodeKey;
/** The n-th disco key; n > 0. */
export const discoKey = (n: number) => `discokey:${digits(n)}` as DiscoKey;
/** The n-th tailnet-lock key; n > 0. */
export const tailnetLockKey = (n: number) => `nlpub:${digits(n)}` as TailnetLockKey;

/** Milliseconds. */
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const DAY = 86_400 * SECOND;

/** Random bytes that are the same for the same seed (xorshift32). */
function seededRandom(seed: number): Random {
  let state = seed | 0 || 1;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state & 0xff;
    });
}

/** What a device sends to register, in numbers. */
export interface RegisterSpec extends Partial<Omit<RegisterRequest, "nodeKey" | "oldNodeKey">> {
  /** Number of the machine. */
  readonly machine: number;
  /** Number of the node key. */
  readonly key: number;
  /** Number of the node key that it replaces. */
  readonly replaces?: number;
}

/** A registration as the connection would hand it on. */
export function registration({ machine, key, replaces, ...request }: RegisterSpec): Registration {
  return {
    machineKey: machineKey(machine),
    remoteAddress: "203.0.113.7",
    tailnetName: "example.com",
    request: {
      version: 145,
      nodeKey: nodeKey(key),
      oldNodeKey: replaces === undefined ? null : nodeKey(replaces),
      tailnetLockKey: tailnetLockKey(key),
      authKey: "",
      expiresAt: null,
      followup: "",
      hostinfo: { OS: "linux", Hostname: `host-${machine}` },
      isEphemeral: false,
      tailnet: "",
      ...request,
    },
  };
}

/** A lite update that repeats what the node reported before, but for `changed`. */
export function mapRequest(node: Node, changed: Partial<MapRequest> = {}): MapRequest {
  return {
    version: node.capabilityVersion,
    nodeKey: node.nodeKey,
    discoKey: node.discoKey,
    wantsStream: false,
    omitsPeers: true,
    isReadOnly: false,
    hostinfo: node.hostinfo,
    endpoints: node.endpoints,
    ...changed,
  };
}

const PLAIN_KEY: AuthKeySpec = {
  isReusable: false,
  isEphemeral: false,
  isPreauthorized: false,
  tags: [],
  lifetimeMs: 90 * DAY,
  description: "",
};

/** What a test tailnet starts with. */
export interface TailnetSpec {
  readonly policy?: string;
  readonly settings?: Partial<Settings>;
  readonly seed?: number;
}

/** A tailnet that lives through commands. */
export class TestTailnet {
  readonly tailnet: Tailnet;
  /** The time of the next command. */
  now = Date.UTC(2026, 0, 2, 3, 4, 5);
  /** What the last command changed, and what that did. */
  changes: readonly Change[] = [];
  effects: Effects = noEffects();
  readonly #random: Random;

  constructor({ policy = DEFAULT_POLICY, settings = {}, seed = 1 }: TailnetSpec = {}) {
    this.#random = seededRandom(seed);
    this.tailnet = openTailnet({
      users: [],
      nodes: [],
      authKeys: [],
      apiTokens: [],
      credentials: [],
      accessTokens: [],
      pendings: [],
      sshChecks: [],
      passedSSHChecks: [],
      settings: { ...DEFAULT_SETTINGS, ...settings },
      counters: { nextNodeId: 1, nextUserId: FIRST_USER_ID, nextAddress: 1 },
      policy: { text: policy, isDefault: false, savedAt: 0, author: "" },
      primaries: new Map(),
    });
  }

  /** What commands are lent. */
  get context(): CommandContext {
    return { now: this.now, random: this.#random, actor: TAILNET_ACTOR };
  }

  /** What commands of a user are lent. */
  contextOf(user: User): CommandContext {
    return { ...this.context, actor: actorOf(user) };
  }

  /** Runs a command. @throws Error when it is refused */
  run<T>(decision: Decision<T>): T {
    if (!decision.ok) throw new Error(`refused: ${JSON.stringify(decision.refusal)}`);
    this.apply(decision.changes);
    return decision.result;
  }

  /** The refusal of a command. @throws Error when it is not refused */
  refusal(decision: Decision<unknown>): Refusal {
    if (decision.ok) throw new Error(`not refused: ${JSON.stringify(decision.result)}`);
    return decision.refusal;
  }

  /** Applies changes that no command makes yet. */
  apply(changes: readonly Change[]): void {
    this.changes = changes;
    this.effects = evolve(this.tailnet, changes);
    checkInvariants(this.tailnet);
  }

  /** Makes a user. */
  user(name: string, role: Role = "member"): User {
    return this.run(createUser(this.tailnet, `${name}@example.com`, role, this.context));
  }

  /** Makes an auth key, good for one node unless `spec` says otherwise. @returns its text */
  authKey(user: User, spec: Partial<AuthKeySpec> = {}): string {
    return this.run(createAuthKey(this.tailnet, { ...PLAIN_KEY, ...spec }, this.contextOf(user))).text;
  }

  /** Decides a registration without applying it. */
  decideRegister(spec: RegisterSpec): Decision<RegisterResult> {
    return registerNode(this.tailnet, registration(spec), this.context);
  }

  /** Registers a device. @throws Error when it is refused */
  register(spec: RegisterSpec): RegisterResult {
    return this.run(this.decideRegister(spec));
  }

  /** Registers a device that becomes a node. @throws Error when it does not */
  join(spec: RegisterSpec): Node {
    const result = this.register(spec);
    if (result.kind !== "registered") throw new Error(`not registered: ${result.kind}`);
    return result.node;
  }

  /** The present record of a node. @throws Error when it is gone */
  node(id: NodeId | Node): Node {
    const node = this.tailnet.nodes.get(typeof id === "number" ? id : id.id);
    if (node === undefined) throw new Error("node is gone");
    return node;
  }

  /** Takes a lite update of a node. */
  update(id: NodeId | Node, changed: Partial<MapRequest>): Node {
    const node = this.node(id);
    return this.run(updateNode(this.tailnet, node, mapRequest(node, changed), this.now));
  }

  /** Changes a node's Hostinfo by a lite update. */
  report(id: NodeId | Node, hostinfo: Hostinfo): Node {
    return this.update(id, { hostinfo: { ...this.node(id).hostinfo, ...hostinfo } });
  }

  /** Opens a node's map stream. */
  connect(id: NodeId | Node): Node {
    this.run(connectNode(this.tailnet, this.node(id).id, this.now));
    return this.node(id);
  }

  /** Ends a node's last map stream. */
  disconnect(id: NodeId | Node): Node {
    this.run(disconnectNode(this.tailnet, this.node(id).id, this.now));
    return this.node(id);
  }

  /** Lets time pass and does what falls due. */
  pass(ms: number): void {
    this.now += ms;
    this.run(meetDeadlines(this.tailnet, this.now));
  }
}
