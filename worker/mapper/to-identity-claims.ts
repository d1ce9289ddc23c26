// Node → claims of a token that proves to others who it is (control-protocol.md 6.3, tailcfg.TokenResponse).
import type { Node } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import type { Deployment } from "./deployment.ts";
import { fullName } from "./to-node.ts";

/** How long a token is good for, in seconds: long enough to be exchanged, and no longer. */
const LIFETIME_S = 600;
/** Clocks of relying parties may be this much behind. */
const LEEWAY_S = 30;

/** What a token says beside who the node is. */
export interface TokenContext {
  readonly issuer: string;
  readonly audience: string;
  readonly now: number;
}

/** Claims of a node. Names are without the trailing dot; tags and users are prefixed with the tailnet's name. */
export function toIdentityClaims(tailnet: Tailnet, node: Node, deployment: Deployment, context: TokenContext) {
  const { tailnetName } = deployment;
  const name = fullName(node, deployment.magicDnsSuffix);
  const seconds = Math.floor(context.now / 1000);
  const user = node.userId === null ? undefined : tailnet.users.get(node.userId);
  return {
    iss: context.issuer,
    sub: name,
    aud: context.audience,
    iat: seconds,
    nbf: seconds - LEEWAY_S,
    exp: seconds + LIFETIME_S,
    key: node.nodeKey,
    addresses: [node.ipv4, node.ipv6],
    nid: node.id,
    node: name,
    domain: tailnetName,
    ...(node.tags.length > 0 && { tags: node.tags.map((tag) => `${tailnetName}:${tag}`) }),
    ...(user !== undefined && { user: `${tailnetName}:${user.loginName}`, uid: user.id }),
  };
}
