// A router with NAT (nftables masquerade) between a network and a private one behind it, so that nodes on different sides
// of two of these have no direct path but the one that STUN and hole punching find. UDP can be forbidden while it runs.
import { mustExecute } from "./command.ts";
import { createNetwork, type Namespace, type Network } from "./netns.ts";

/** How a NAT chooses the port outside: the client's own where that is free, or another one. */
export type PortMapping = "kept" | "changed";

/** A running NAT. */
export interface Nat {
  /** Its address outside. */
  readonly address: string;
  /** Makes a namespace behind it, whose only way out leads through it. */
  attach(label: string): Promise<Namespace>;
  /** Drops every UDP packet that would pass, also of connections that stand, or lets them pass again. */
  setUdp(isAllowed: boolean): Promise<void>;
  close(): Promise<void>;
}

const masquerade: Readonly<Record<PortMapping, string>> = { kept: "masquerade", changed: "masquerade to :40000-50000" };

/** Puts a NAT before a new private network. */
export async function createNat(outside: Network, label: string, mapping: PortMapping): Promise<Nat> {
  const inside = await createNetwork();
  const router = await outside.attach(label);
  const gateway = await inside.join(router);
  await router.enableForwarding();
  const nft = (command: string) => mustExecute(router.command(["nft", command]));
  await nft("add table ip nat");
  await nft("add chain ip nat out { type nat hook postrouting priority srcnat; }");
  await nft("add chain ip nat pass { type filter hook forward priority filter; }");
  // As home routers do. A strange packet that reached the router itself would leave an entry in its table, and the
  // client's own packet to that stranger would then get another port than the one that STUN has told.
  await nft("add chain ip nat arrive { type filter hook input priority filter; }");
  await nft("add rule ip nat arrive iifname eth0 meta l4proto udp drop");
  // "to :ports" needs a protocol, and TCP may keep its ports.
  await nft(`add rule ip nat out oifname eth0 meta l4proto udp ${masquerade[mapping]}`);
  await nft("add rule ip nat out oifname eth0 masquerade");
  return {
    address: router.address,
    async attach(name) {
      const namespace = await inside.attach(name);
      await mustExecute(namespace.command(["ip", "route", "add", "default", "via", gateway]));
      return namespace;
    },
    setUdp: async (isAllowed) => {
      await nft("flush chain ip nat pass");
      if (!isAllowed) await nft("add rule ip nat pass meta l4proto udp drop");
    },
    close: () => inside.close(),
  };
}
