// Who may reach what under a policy file, for a device or for those of a user or with a tag; shortened to what one answer
// can hold.
import { fullName } from "../../mapper/to-node.ts";
import type { PolicyEngine } from "../../policy/engine.ts";
import { type Access, type ReachDirection, ReachQuestions } from "../../policy/reach.ts";
import { POLICY_MAX_FORESEEN_DEVICES, POLICY_MAX_REACH_DEVICES } from "../../protocol/limits.ts";
import { type Node, type NodeId, takesPart } from "../../tailnet/entities/node.ts";
import { nodeByPublicId, type Tailnet, userByLogin } from "../../tailnet/tailnet.ts";
import type { NamedDevice } from "./policy-forecast.ts";

/** A peer with what may be sent to it, or what it may send. */
export interface PeerReach extends NamedDevice {
  readonly access: readonly Access[];
}

/** The peers of one device. */
export interface DeviceReach extends NamedDevice {
  readonly total: number;
  /** The first of them. */
  readonly peers: readonly PeerReach[];
}

/** Devices that were asked about. */
export interface PolicyReach {
  readonly total: number;
  /** The first of them. */
  readonly devices: readonly DeviceReach[];
}

/** The devices that take part of what is named: one by its id, a user's by login name, those with a tag. Null: nothing. */
export function devicesNamed(tailnet: Tailnet, name: string): Node[] | null {
  const participants = [...tailnet.nodes.values()].filter(takesPart);
  if (name.startsWith("tag:")) return participants.filter(({ tags }) => tags.includes(name));
  const user = name.includes("@") ? userByLogin(tailnet, name) : undefined;
  if (user !== undefined) return participants.filter(({ userId }) => userId === user.id);
  const node = nodeByPublicId(tailnet, name);
  return node === undefined ? null : [node].filter(takesPart);
}

/** What is asked. */
interface Question {
  readonly devices: readonly Node[];
  readonly direction: ReachDirection;
  readonly magicDnsSuffix: string;
}

/** Answers for devices under the policy of an engine. */
export function reachOfDevices(
  { nodes }: Tailnet,
  engine: PolicyEngine,
  { devices, direction, magicDnsSuffix }: Question,
): PolicyReach {
  const questions = new ReachQuestions(engine);
  const named = (id: NodeId): NamedDevice[] => {
    const node = nodes.get(id);
    return node === undefined ? [] : [{ nodeId: node.stableId, name: fullName(node, magicDnsSuffix) }];
  };
  const shown = devices.slice(0, POLICY_MAX_REACH_DEVICES).flatMap(({ id }): DeviceReach[] => {
    const peers = questions.peersOf(id, direction);
    const listed = peers.slice(0, POLICY_MAX_FORESEEN_DEVICES).flatMap(({ peer, access }) => {
      return named(peer).map((device) => ({ ...device, access }));
    });
    return named(id).map((device) => ({ ...device, total: peers.length, peers: listed }));
  });
  return { total: devices.length, devices: shown };
}
