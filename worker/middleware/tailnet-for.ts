// Picks the tailnet of a request: the one place that knows how many there are (DESIGN.md 2).
import type { Administration } from "../objects/administration/administration.ts";
import { defaultTailnet } from "../platform/tailnets.ts";
import { type Actor, TAILNET_ACTOR } from "../tailnet/entities/actor.ts";

/** The object of the tailnet that a request is for. */
export function tailnetFor(env: Env): DurableObjectStub<import("../objects/tailnet-object.ts").TailnetObject> {
  return defaultTailnet(env);
}

/** A resource as callers in the Worker see it: the same methods, answered later. */
type Remote<T> = {
  readonly [M in keyof T]: T[M] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** The administration of a tailnet as callers in the Worker see it: `administration.devices.list(…)`. */
export type RemoteAdministration = { readonly [R in keyof Administration]: Remote<Administration[R]> };

/** The administration of the tailnet that a request is for, as an actor. Each call is one round trip. */
export function administrationOf(env: Env, actor: Actor = TAILNET_ACTOR): RemoteAdministration {
  const methodsOf = (resource: keyof Administration) =>
    new Proxy(
      {},
      {
        get:
          (_, method: string) =>
          (...args: readonly unknown[]) =>
            tailnetFor(env).administer({ actor, resource, method, args }),
      },
    );
  return new Proxy({} as RemoteAdministration, { get: (_, resource) => methodsOf(resource as keyof Administration) });
}
