import { describe, expect, it } from "vitest";
import { describeFault, policyInForce } from "./stored-policy.ts";

const version = (text: string, savedAt: number) => ({ text, isDefault: false, savedAt, author: "" });
const bad = version('{"grants": 7}', 3);
const none = () => {
  throw new Error("earlier versions were looked at");
};

describe("the policy in force", () => {
  it("is the newest, without a look at others, while it compiles", () => {
    const earlier = { [Symbol.iterator]: none };
    expect(policyInForce(version("{}", 3), earlier).fault).toBeNull();
  });

  it("is the newest version that compiles otherwise", () => {
    const { policy, fault } = policyInForce(bad, [version("{", 2), version("{}", 1), version("{", 0)]);
    expect(policy.rules).toHaveLength(1);
    expect(fault).toMatchObject({ inForceSince: 1, problem: expect.stringMatching(/^line 1, column \d+: /) });
  });

  it("denies everything when none compiles: a file that nobody can read must not open the tailnet", () => {
    const { policy, fault } = policyInForce(bad, [version("{", 2)]);
    expect(policy.rules).toEqual([]);
    expect(describeFault(fault ?? { problem: "", inForceSince: 0 })).toContain("everything is denied");
  });
});
