// POST /machine/feature/query: `tailscale serve` and `funnel` ask what to do when the netmap lacks the capabilities that
// they need (control-protocol.md 6.2). What an administrator must do first is said in words, and no client waits: there
// is no page here on which a visitor could switch a feature on.
import { capabilitiesOf } from "../mapper/node-capabilities.ts";
import { readString } from "../protocol/control/json.ts";
import { forNode } from "./asking-node.ts";
import { json, text } from "./control-endpoint.ts";

/** Capabilities that each feature needs (cmd/tailscale/cli of 1.102.3). */
const NEEDS: Readonly<Record<string, readonly string[]>> = { serve: ["https"], funnel: ["https", "funnel"] };

/** What to do about a capability that is missing. */
const ADVICE: Readonly<Record<string, string>> = {
  https:
    "HTTPS is off in this tailnet. An administrator turns it on in the settings: " +
    'PATCH /api/v2/tailnet/-/settings {"httpsEnabled": true}. ' +
    "This control server obtains no certificates: the ACME challenge of `tailscale cert` is refused.",
  funnel: "The policy file does not let this device use Funnel (nodeAttrs), and this control server runs no ingress.",
};

/** Tells what stands between a node and a feature. */
export const queryFeature = forNode((node, body, { runtime, deployment }) => {
  const feature = readString(body, "Feature") ?? "";
  if (!Object.hasOwn(NEEDS, feature)) return text(400, "Feature must be serve or funnel");
  const capabilities = capabilitiesOf(runtime.tailnet, node, deployment.tailnetName);
  const missing = (NEEDS[feature] ?? []).filter((name) => !Object.hasOwn(capabilities, name));
  if (missing.length === 0) return json({ Complete: true });
  return json({ Complete: false, Text: missing.map((name) => ADVICE[name]).join("\n"), ShouldWait: false });
});
