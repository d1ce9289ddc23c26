// The DERP map of a deployment, before any tailnet's policy changes it: its own regions, regions of others that the
// setting DERP_MAP names (stock derper, for example), and the public ones.
import { DEFAULT_DERP_MAP } from "./default-derp-map.ts";
import type { DerpMap } from "./derp-map.ts";
import type { OwnRegion } from "./own-regions.ts";

/**
 * Joins the sources. Of two regions with one id the one in `given` counts, then our own. Public relays are there when
 * they are wanted, or when nothing else is: `auto`.
 */
export function joinDerpMaps(
  own: readonly OwnRegion[],
  given: DerpMap | undefined,
  publicRelays: "auto" | "include" | "omit",
): DerpMap {
  const regions = Object.fromEntries(own.flatMap(({ id, region }) => (region === undefined ? [] : [[id, region]])));
  const isAlone = given === undefined && Object.keys(regions).length === 0;
  const hasPublic = publicRelays === "include" || (publicRelays === "auto" && isAlone);
  const scores = Object.fromEntries(own.flatMap(({ id, score }) => (score === undefined ? [] : [[id, score]])));
  return {
    ...given,
    HomeParams: { ...given?.HomeParams, RegionScore: { ...scores, ...given?.HomeParams?.RegionScore } },
    Regions: { ...(hasPublic && DEFAULT_DERP_MAP.Regions), ...regions, ...given?.Regions },
  };
}
