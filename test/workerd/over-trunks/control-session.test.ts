// A control session as in ../control-session.test.ts, with every client on a channel of a trunk.
import { connectOverTrunks } from "../support/tailnet.ts";

connectOverTrunks();
await import("../control-session.test.ts");
