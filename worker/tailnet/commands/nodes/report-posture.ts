// Serial numbers of devices, collected while the tailnet's setting says so (api-v2.md 2.15). No policy sees them: they are
// for administrators to tell their own devices by.
import type { ReportedPosture } from "../../../protocol/control/client-request.ts";
import { type Change, type Decision, decided } from "../../change.ts";
import type { Node } from "../../entities/node.ts";
import type { Tailnet } from "../../tailnet.ts";

/**
 * How long an answer counts. A client does not say when its user agrees to be asked, so a reconnect soon after that should
 * do; one that reconnects all the time is not asked each time.
 */
const POSTURE_INTERVAL_MS = 10 * 60_000;

/** Whether a node's serial numbers are wanted and were not told lately. */
export function needsPostureIdentity({ settings, records }: Tailnet, { id }: Node, now: number): boolean {
  if (!settings.isPostureCollectionOn) return false;
  const known = records["posture-identities"].get(String(id));
  return known === undefined || known.answeredAt + POSTURE_INTERVAL_MS <= now;
}

/** Keeps what a node answered. An answer that is not wanted, or comes too soon after the one before, changes nothing. */
export function reportPosture(tailnet: Tailnet, node: Node, answer: ReportedPosture, now: number): Decision<null> {
  if (!needsPostureIdentity(tailnet, node, now)) return decided(null);
  const record = { id: String(node.id), answeredAt: now, ...answer };
  return decided(null, [{ type: "record-put", collection: "posture-identities", record }]);
}

/** Forgets what all nodes answered. */
export function forgottenPostures({ records }: Tailnet): readonly Change[] {
  const collection = "posture-identities";
  return [...records[collection].keys()].map((id): Change => ({ type: "record-removed", collection, id }));
}
