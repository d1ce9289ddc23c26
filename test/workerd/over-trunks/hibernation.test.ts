// Hibernation as in ../hibernation.test.ts, with every client on a channel of a trunk.
import { connectOverTrunks } from "../support/tailnet.ts";

connectOverTrunks();
await import("../hibernation.test.ts");
