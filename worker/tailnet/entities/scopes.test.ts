import fc from "fast-check";
import { expect, it } from "vitest";
import { covers, grantsOf, holds, intersect, isScope, needsTags, SCOPE_NAMES } from "./scopes.ts";

const scopes = fc.subarray([
  ...SCOPE_NAMES.flatMap((name) => [name, `${name}:read`]),
  "all",
  "all:read",
  "acl",
  "devices:read",
]);

it("lets writing imply reading, never the other way round", () => {
  expect(holds(["dns"], "dns:read")).toBe(true);
  expect(holds(["dns:read"], "dns")).toBe(false);
  expect(holds(["all:read"], "webhooks:read")).toBe(true);
  expect(holds(["all:read"], "webhooks")).toBe(false);
  expect(holds(["dns"], "all:read")).toBe(false);
  expect(holds(SCOPE_NAMES, "all")).toBe(false);
});

it.each([
  ["acl", ["policy_file"]],
  ["devices:read", ["auth_keys:read", "devices:posture_attributes:read", "devices:core:read"]],
  ["logs:read", ["logs:configuration:read"]],
  ["network-logs:read", ["logs:network:read"]],
  ["routes", ["devices:routes"]],
  ["devices_invites", ["device_invites"]],
])("understands the older name %s", (scope, grants) => {
  expect(grantsOf([scope])).toEqual(grants);
});

it.each(["", "everything", "dns:write", "dns:read:read", "ALL", "constructor", "all:read:read"])(
  "does not know %j",
  (scope) => {
    expect(isScope(scope)).toBe(false);
  },
);

it("asks for tags where things would belong to nobody otherwise", () => {
  expect(["auth_keys", "devices:core", "devices"].map((scope) => needsTags([scope]))).toEqual([true, true, true]);
  expect(["auth_keys:read", "all", "dns"].map((scope) => needsTags([scope]))).toEqual([false, false, false]);
});

it("intersects to what both grant: no more, and nothing less", () => {
  fc.assert(
    fc.property(scopes, scopes, (a, b) => {
      const both = intersect(a, b);
      expect(covers(a, both) && covers(b, both)).toBe(true);
      for (const grant of grantsOf([...SCOPE_NAMES, ...SCOPE_NAMES.map((name) => `${name}:read`)])) {
        expect(holds(grantsOf(both), grant)).toBe(holds(grantsOf(a), grant) && holds(grantsOf(b), grant));
      }
    }),
    { numRuns: 300 },
  );
});
