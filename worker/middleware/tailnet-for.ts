// Picks the tailnet of a request: the one place that knows how many there are (DESIGN.md 2).
import type { Administration, AdministrationMethod } from "../objects/administration.ts";

/** Name of the only tailnet of a deployment, so far. */
const DEFAULT_TAILNET = "default";

/** The object of the tailnet that a request is for. */
export function tailnetFor(env: Env): DurableObjectStub<import("../objects/tailnet-object.ts").TailnetObject> {
  return env.TAILNET.getByName(DEFAULT_TAILNET);
}

/** The administration of a tailnet as callers in the Worker see it: the same methods, answered later. */
export type RemoteAdministration = {
  readonly [M in AdministrationMethod]: (
    ...args: Parameters<Administration[M]>
  ) => Promise<ReturnType<Administration[M]>>;
};

/** The administration of the tailnet that a request is for. Each call is one round trip. */
export function administrationOf(env: Env): RemoteAdministration {
  const call = (method: AdministrationMethod) => {
    return (...args: readonly unknown[]) => tailnetFor(env).administer(method, args);
  };
  return new Proxy({} as RemoteAdministration, { get: (_, method) => call(method as AdministrationMethod) });
}
