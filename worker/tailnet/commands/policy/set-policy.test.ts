import { expect, it } from "vitest";
import { TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { DEFAULT_POLICY } from "../../../policy/authority.ts";
import { setPolicy } from "./set-policy.ts";

it("puts a policy file into force, byte for byte", () => {
  const t = new TestTailnet();
  const text = '// nothing may reach anything\n{ "grants": [], }\n';
  const version = t.run(setPolicy(t.tailnet, text, "ann@example.com", t.now));
  expect(version).toEqual({ text, isDefault: false, savedAt: t.now, author: "ann@example.com" });
  expect(t.tailnet.policy).toBe(version);
  expect(t.tailnet.compiledPolicy.text).toBe(text);
});

it.each(["", " \n\t"])("goes back to the default file for %j", (text) => {
  const t = new TestTailnet({ policy: "{}" });
  t.run(setPolicy(t.tailnet, text, "ann@example.com", t.now));
  expect(t.tailnet.policy).toMatchObject({ text: DEFAULT_POLICY, isDefault: true });
});

it("stores nothing that does not compile, and says where the first problem is", () => {
  const t = new TestTailnet();
  const before = t.tailnet.policy;
  const refusal = t.refusal(setPolicy(t.tailnet, '{\n  "grants": [{ "src": ["tag:x"] }]\n}', "ann", t.now));
  expect(refusal).toMatchObject({
    reason: "policy-invalid",
    detail: expect.stringMatching(/^line \d+, column \d+: ./),
  });
  expect(t.tailnet.policy).toBe(before);
});
