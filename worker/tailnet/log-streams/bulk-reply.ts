// The reply of Elasticsearch's bulk interface: its status is 200 also when single entries were refused, and then the body
// says which. There is an item for each entry, in order:
//
//   {"errors": true, "items": [{"create": {"status": 201}}, {"create": {"status": 400, "error": {"type", "reason"}}}]}
import { isJsonObject } from "../../protocol/control/json.ts";
import { printable, readJsonObject } from "./json-text.ts";

/** What became of the entries of one request, by their place in it. */
export interface BulkReply {
  /** Refused for reasons that pass: the same entry may be taken later. */
  readonly postponed: ReadonlySet<number>;
  /** Refused for good. */
  readonly refused: ReadonlySet<number>;
  /** Why the first of either was refused, in the store's words; empty: all were taken. */
  readonly reason: string;
}

const ALL_TAKEN: BulkReply = { postponed: new Set(), refused: new Set(), reason: "" };
/** Too many at once, and out of order for the moment (a write block, a full disk, a shard that moves). */
const PASSING = new Set([429, 502, 503, 504]);

/** Reads a reply; one that says nothing of errors means that all was taken, as other stores with this interface have it. */
export function readBulkReply(text: string): BulkReply {
  const reply = readJsonObject(text);
  if (reply?.errors !== true || !Array.isArray(reply.items)) return ALL_TAKEN;
  const refusals = reply.items.flatMap((item, place) => refusalOf(item, place));
  const places = (isPassing: boolean) =>
    new Set(refusals.filter(({ status }) => PASSING.has(status) === isPassing).map(({ place }) => place));
  return { postponed: places(true), refused: places(false), reason: refusals[0]?.reason ?? "" };
}

function refusalOf(item: unknown, place: number): { place: number; status: number; reason: string }[] {
  const [result] = isJsonObject(item) ? Object.values(item) : [];
  if (!isJsonObject(result) || typeof result.status !== "number" || result.status < 300) return [];
  const { type, reason } = isJsonObject(result.error) ? result.error : { type: result.error, reason: undefined };
  const words = [type, reason].filter((each) => typeof each === "string");
  return [{ place, status: result.status, reason: `${result.status} ${printable(words.join(": "))}`.trim() }];
}
