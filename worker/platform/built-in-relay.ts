// Picks the object of a DERP region: the one place that knows how regions are named.

/** Id of the region that every deployment has; own regions have ids from 900 up (control-protocol.md 5.8). */
const BUILT_IN_REGION_ID = 900;

/** The relay of the built-in region. */
export function builtInRelay(env: Env) {
  return env.DERP_REGION.getByName(String(BUILT_IN_REGION_ID));
}
