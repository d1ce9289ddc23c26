// Endpoints of features that do not exist here. They answer at once, with a sentence that clients show or log, and only
// to the node itself, as those that exist do (docs/compatibility.md).
import { forNode } from "./asking-node.ts";
import { type ControlHandler, text } from "./control-endpoint.ts";

const refusal = (sentence: string) => forNode(() => text(501, sentence));

/** POST /machine/set-dns: the record of an ACME challenge (control-protocol.md 6.1). */
export const setDns = refusal("this control server publishes no DNS records, so it cannot help to obtain certificates");

/** GET /machine/tka/…, each with a JSON body. */
export const tailnetLock: ControlHandler = refusal("Tailnet Lock does not exist on this control server");

/** POST /machine/webclient/…, which name nodes in the path and have no body. */
export const webClient: ControlHandler = () => text(501, "this control server does not sign in to web interfaces");
