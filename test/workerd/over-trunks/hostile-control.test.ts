// Hostile peers as in ../hostile-control.test.ts, with every client on a channel of a trunk.
import { connectOverTrunks } from "../support/tailnet.ts";

connectOverTrunks();
await import("../hostile-control.test.ts");
