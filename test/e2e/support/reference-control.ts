// Upstream's in-memory control server (test/clients/current/cmd/reference-control), with which the helpers of this
// folder are tested: what fails against it is the helper's fault, not flarescale's.
import { clientBinaries } from "../../clients/build.ts";
import { Child, type Exit } from "./child.ts";
import type { DerpRegion } from "./derper.ts";

/** A running reference server. */
export interface ReferenceControl {
  readonly controlUrl: string;
  readonly child: Child;
  stop(): Promise<Exit>;
}

/** Starts the server on an address with these DERP regions; `args` are its own flags. */
export async function startReferenceControl(
  regions: readonly DerpRegion[],
  address = "127.0.0.1",
  args: readonly string[] = [],
): Promise<ReferenceControl> {
  const derpMap = {
    OmitDefaultRegions: true,
    Regions: Object.fromEntries(regions.map((region) => [region.RegionID, region])),
  };
  let controlUrl: string | undefined;
  const child = new Child({
    name: "reference-control",
    command: [
      (await clientBinaries()).current.referenceControl,
      `-listen=${address}:0`,
      `-derp-map=${JSON.stringify(derpMap)}`,
      ...args,
    ],
    onLine: (line) => {
      controlUrl = (JSON.parse(line) as { controlUrl: string }).controlUrl;
    },
  });
  const url = await child.until("listens", () => controlUrl);
  return { controlUrl: url, child, stop: () => child.stop() };
}
