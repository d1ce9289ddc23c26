// Map streams as in ../map-streams.test.ts, with every client on a channel of a trunk.
import { connectOverTrunks } from "../support/tailnet.ts";

connectOverTrunks();
await import("../map-streams.test.ts");
