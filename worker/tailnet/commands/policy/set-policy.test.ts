import { describe, expect, it } from "vitest";
import { TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import { DEFAULT_POLICY } from "../../../policy/authority.ts";
import { policyInForce } from "../../stored-policy.ts";
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

describe("user:*@ and localpart:*@", () => {
  const [PEOPLE, LOGINS] = [
    '"grants": [{ "src": ["user:*@D"], "dst": ["*"], "ip": ["*"] }]',
    '"users": ["localpart:*@D"]',
  ];
  const SSH = `"ssh": [{ "action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self"], ${LOGINS} }]`;

  it.each([PEOPLE, SSH])("may name the domains of those who administer the tailnet, and no others: %s", (section) => {
    const t = new TestTailnet();
    const naming = (domain: string) => setPolicy(t.tailnet, `{ ${section.replace("D", domain)} }`, "ann", t.now);
    const foreign = (domain: string) => `${domain} is not associated with this Tailnet and cannot be used in user:*@`;
    const refusal = (domain: string) => t.refusal(naming(domain));
    t.user("guest");
    expect(refusal("example.com")).toMatchObject({ detail: expect.stringContaining(foreign("example.com")) });
    t.user("olga", "owner");
    t.run(naming("example.com"));
    for (const domain of ["Example.com", "example.org", "com", "*"]) {
      expect(refusal(domain)).toMatchObject({ detail: expect.stringContaining(foreign(domain)) });
    }
  });

  it("stay in force when the domain is lost later", () => {
    const t = new TestTailnet();
    const olga = t.user("olga", "owner");
    t.run(setPolicy(t.tailnet, `{ ${PEOPLE.replace("D", "example.com")} }`, "ann", t.now));
    t.apply([{ type: "user-put", user: { ...olga, role: "member" } }]);
    expect(policyInForce(t.tailnet.policy, []).fault).toBeNull();
  });
});
