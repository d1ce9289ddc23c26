// What a policy file would change for which devices, shortened to what one answer can hold.
import { fullName } from "../../mapper/to-node.ts";
import type { PolicyEffect } from "../../policy/engine.ts";
import { POLICY_MAX_FORESEEN_DEVICES, POLICY_MAX_FORESEEN_PEERS } from "../../protocol/limits.ts";
import { joinSets, type PeerFate, sumEffectsOn } from "../../tailnet/effects.ts";
import type { Node, NodeId } from "../../tailnet/entities/node.ts";

/** A device, as it is called in answers. */
export interface NamedDevice {
  readonly nodeId: string;
  readonly name: string;
}

/** Some devices out of a number of them. */
export interface DeviceSample {
  readonly total: number;
  readonly devices: readonly NamedDevice[];
}

/** What would change for one device. */
export interface DeviceForecast extends NamedDevice {
  readonly gainedPeers: DeviceSample;
  readonly lostPeers: DeviceSample;
  /** Peers before and after, with other addresses, routes or capabilities. */
  readonly changedPeers: DeviceSample;
  readonly hasNewFilter: boolean;
  readonly hasNewSSH: boolean;
  /** Its own attributes, addresses or routes. */
  readonly hasNewSelf: boolean;
}

/** What would change, for whom. */
export interface PolicyForecast {
  /** Devices for which something would change. */
  readonly total: number;
  /** The first of them. */
  readonly devices: readonly DeviceForecast[];
}

/** Tells what the effects of a policy mean for devices. */
export function toForecast(
  effects: readonly PolicyEffect[],
  nodes: ReadonlyMap<NodeId, Node>,
  magicDnsSuffix: string,
): PolicyForecast {
  const named = (id: NodeId): NamedDevice[] => {
    const node = nodes.get(id);
    return node === undefined ? [] : [{ nodeId: node.stableId, name: fullName(node, magicDnsSuffix) }];
  };
  const filters = joinSets(effects, (effect) => effect.filters);
  const ssh = joinSets(effects, (effect) => effect.sshPolicies);
  const selves = joinSets(effects, (effect) => new Set([...effect.capMaps, ...effect.selves]));
  const viewers = new Set(effects.flatMap((effect) => [...effect.viewers.keys()]));
  const concerned = [...new Set([...viewers, ...filters, ...ssh, ...selves])].sort((a, b) => a - b);
  const devices = concerned.slice(0, POLICY_MAX_FORESEEN_DEVICES).flatMap((id): DeviceForecast[] => {
    const fates = sumEffectsOn(id, effects);
    const sample = (wanted: PeerFate): DeviceSample => {
      const peers = [...fates].filter(([, fate]) => fate === wanted).map(([peer]) => peer);
      return { total: peers.length, devices: peers.slice(0, POLICY_MAX_FORESEEN_PEERS).flatMap(named) };
    };
    return named(id).map((device) => ({
      ...device,
      gainedPeers: sample("added"),
      lostPeers: sample("removed"),
      changedPeers: sample("changed"),
      hasNewFilter: filters.has(id),
      hasNewSSH: ssh.has(id),
      hasNewSelf: selves.has(id),
    }));
  });
  return { total: concerned.length, devices };
}
