// stub
import type { PolicyNode, PolicyUser } from "./inventory.ts";
import type { Policy } from "./policy.ts";
export function checkPolicyTests(
  _p: Policy,
  _u: readonly PolicyUser[],
  _n: readonly PolicyNode[],
): { message: string } | undefined {
  return undefined;
}
