// Picks the objects of DERP regions: the one place that knows how they are named.
import type { OwnRegion } from "../protocol/control/own-regions.ts";

/** The relay of a region. Its hint counts when the object is first used; an object never moves. */
export function relayOf(env: Env, { id, locationHint }: OwnRegion) {
  return env.DERP_REGION.getByName(String(id), locationHint === undefined ? {} : { locationHint });
}
