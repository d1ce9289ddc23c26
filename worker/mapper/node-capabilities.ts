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

/** Has the client tell its user that Funnel waits for HTTPS certificates. */
const FUNNEL_NEEDS_HTTPS = "https://tailscale.com/cap/warn-funnel-no-https";

/** The CapMap of a node in its own view; `tailnetName` is what clients show of the tailnet. */
export function capabilitiesOf(tailnet: Tailnet, node: Node, tailnetName: string): CapMap {
  const user = node.userId === null ? undefined : tailnet.users.get(node.userId);
  const ofPolicy = tailnet.engine.capMapOf(node.id);
  return {
    ...EVERYONE,
    "tailnet-display-name": [tailnetName],
    ...ofSettings(tailnet.settings),
    ...ofServices(tailnet, node),
    ...(user !== undefined && isAdministrator(user) && { "https://tailscale.com/cap/is-admin": null }),
    ...(user?.role === "owner" && { "https://tailscale.com/cap/is-owner": null }),
    ...(Object.hasOwn(ofPolicy, "funnel") && !tailnet.settings.isHttpsOn && { [FUNNEL_NEEDS_HTTPS]: null }),
    ...ofPolicy,
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
