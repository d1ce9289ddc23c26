// Capabilities of a node's own CapMap: those that every node has here, those of its user's role, and what the policy
// file gives (control-protocol.md Appendix C, policy.md 17).
import type { CapMap } from "../protocol/control/filter-rule.ts";
import type { Node } from "../tailnet/entities/node.ts";
import type { Settings } from "../tailnet/entities/settings.ts";
import { isAdministrator } from "../tailnet/entities/user.ts";
import { hostedServices } from "../tailnet/service-hosts.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";

const EVERYONE = {
  "https://tailscale.com/cap/file-sharing": null,
  "https://tailscale.com/cap/ssh": null,
} as const;

/** The CapMap of a node in its own view. */
export function capabilitiesOf(tailnet: Tailnet, node: Node): CapMap {
  const user = node.userId === null ? undefined : tailnet.users.get(node.userId);
  return {
    ...EVERYONE,
    ...ofSettings(tailnet.settings),
    ...ofServices(tailnet, node),
    ...(user !== undefined && isAdministrator(user) && { "https://tailscale.com/cap/is-admin": null }),
    ...(user?.role === "owner" && { "https://tailscale.com/cap/is-owner": null }),
    ...tailnet.engine.capMapOf(node.id),
  };
}

/** The addresses that a host answers for: one value with all Services, or clients ignore them (control-protocol.md 8.1). */
function ofServices(tailnet: Tailnet, node: Node): CapMap {
  const services = hostedServices(tailnet, node);
  if (services.length === 0) return {};
  return { "service-host": [Object.fromEntries(services.map(({ name, ipv4, ipv6 }) => [name, [ipv4, ipv6]]))] };
}

/** Capabilities that settings of the tailnet give to every node. */
export function ofSettings({ isAutoUpdateOn, isHttpsOn }: Settings): CapMap {
  return {
    "default-auto-update": [isAutoUpdateOn],
    ...(isHttpsOn && { https: null }),
  };
}
