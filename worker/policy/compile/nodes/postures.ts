// Device postures (policy.md 18): whether a node's attributes meet the conditions that a rule asks for.
import type { PostureValue } from "../../inventory.ts";
import { isVersion } from "../../language/postures.ts";
import type { Posture, PostureCondition } from "../../policy.ts";

/** Attributes of a node; absent means that none is known. */
export type Attributes = Readonly<Record<string, PostureValue>> | undefined;

/** Tells whether the attributes meet all conditions of at least one posture. */
export function meetsOne(postures: readonly Posture[], attributes: Attributes): boolean {
  return postures.some((posture) => posture.conditions.every((condition) => holds(condition, attributes)));
}

/** An attribute that is not set fails every condition but NOT SET. */
function holds(condition: PostureCondition, attributes: Attributes): boolean {
  const { attribute, operator, values } = condition;
  const actual = attributes !== undefined && Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
  if (actual === undefined) return operator === "NOT SET";
  if (operator === "IS SET") return true;
  if (operator === "NOT SET") return false;
  const areVersions = isVersion(attribute);
  const order = (value: PostureValue) => compare(actual, value, areVersions);
  switch (operator) {
    case "==":
    case "IN":
      return values.some((value) => order(value) === 0);
    case "!=":
    case "NOT IN":
      return values.every((value) => order(value) !== 0);
    case "<":
      return values.every((value) => order(value) < 0);
    case "<=":
      return values.every((value) => order(value) <= 0);
    case ">":
      return values.every((value) => order(value) > 0);
    case ">=":
      return values.every((value) => order(value) >= 0);
  }
}

/** Negative, zero or positive as `a` is less than, equal to or greater than `b`; NaN when they cannot be compared. */
function compare(a: PostureValue, b: PostureValue, areVersions: boolean): number {
  if (areVersions) return compareVersions(String(a), String(b));
  if (typeof a === "number" && typeof b === "number") return a - b;
  return a === b ? 0 : Number.NaN;
}

/** Compares versions as the client does (tailscale util/cmpver): runs of digits as numbers, the rest as text. */
export function compareVersions(a: string, b: string): number {
  const left = a.match(/[0-9]+|[^0-9]+/g) ?? [];
  const right = b.match(/[0-9]+|[^0-9]+/g) ?? [];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = compareRuns(left[i] ?? "", right[i] ?? "");
    if (order !== 0) return order;
  }
  return 0;
}

function compareRuns(a: string, b: string): number {
  if (/^[0-9]/.test(a) && /^[0-9]/.test(b)) {
    const [x, y] = [BigInt(a), BigInt(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}
