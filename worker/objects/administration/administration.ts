// What administrators and login pages may ask of a tailnet: one class per resource, called by RPC as (actor, resource,
// method, arguments). The Worker has authenticated the actor; what the actor may do is checked there too, in one table
// (routes/api/v2/access.ts). Methods take and return plain data.
import type { Actor } from "../../tailnet/entities/actor.ts";
import { Access } from "./access.ts";
import { Attributes } from "./attributes.ts";
import { Credentials } from "./credentials.ts";
import { Devices } from "./devices.ts";
import { Dns } from "./dns.ts";
import { Issuers } from "./issuers.ts";
import { Keys } from "./keys.ts";
import { LogStreams } from "./log-streams.ts";
import { Logging } from "./logging.ts";
import { Logins } from "./logins.ts";
import { PolicyFile } from "./policy-file.ts";
import { PostureIntegrations } from "./posture-integrations.ts";
import { type AdministrationPorts, ResourceContext } from "./resource-context.ts";
import { Services } from "./services.ts";
import { TailnetSettings } from "./tailnet-settings.ts";
import { Transfer } from "./transfer.ts";
import { UserInvites } from "./user-invites.ts";
import { Users } from "./users.ts";
import { Webhooks } from "./webhooks.ts";

const RESOURCES = {
  access: Access,
  attributes: Attributes,
  credentials: Credentials,
  devices: Devices,
  dns: Dns,
  issuers: Issuers,
  keys: Keys,
  logging: Logging,
  logStreams: LogStreams,
  logins: Logins,
  policyFile: PolicyFile,
  postureIntegrations: PostureIntegrations,
  services: Services,
  tailnetSettings: TailnetSettings,
  transfer: Transfer,
  userInvites: UserInvites,
  users: Users,
  webhooks: Webhooks,
} as const satisfies Record<string, new (context: ResourceContext) => object>;

/** The resources with their methods. */
export type Administration = { readonly [R in keyof typeof RESOURCES]: InstanceType<(typeof RESOURCES)[R]> };

/** One call of the administration. `middleware/tailnet-for.ts` makes them, with the types of resource and method. */
export interface AdministrationCall {
  readonly actor: Actor;
  readonly resource: keyof Administration;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Makes a call. @returns what the method does, which may be a promise */
export function administer(ports: AdministrationPorts, { actor, resource, method, args }: AdministrationCall): unknown {
  const target = new RESOURCES[resource](new ResourceContext(ports, actor));
  const operation: unknown = Reflect.get(target, method);
  if (typeof operation !== "function") throw new Error(`${resource} has no method ${method}`);
  return Reflect.apply(operation, target, args);
}
