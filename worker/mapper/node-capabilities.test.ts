import { expect, it } from "vitest";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import type { Role } from "../policy/engine.ts";
import { capabilitiesOf } from "./node-capabilities.ts";

const ADMIN = "https://tailscale.com/cap/is-admin";
const OWNER = "https://tailscale.com/cap/is-owner";
const POLICY = `{
  "tagOwners": { "tag:a": [] },
  "nodeAttrs": [{ "target": ["tag:a"], "attr": ["example"] }],
}`;

it.each<[Role, boolean, boolean]>([
  ["owner", true, true],
  ["admin", true, false],
  ["network-admin", false, false],
  ["member", false, false],
])(
  "tells the node of a user with role %s whether that is an administrator (%s) and the owner (%s)",
  (role, admin, owner) => {
    const t = new TestTailnet({ policy: POLICY });
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(t.user("ann", role)) });
    const capMap = capabilitiesOf(t.tailnet, node);
    expect([ADMIN in capMap, OWNER in capMap]).toEqual([admin, owner]);
    expect(capMap).toMatchObject({
      "https://tailscale.com/cap/file-sharing": null,
      "https://tailscale.com/cap/ssh": null,
      "default-auto-update": [false],
    });
  },
);

it("gives a tagged node what the policy gives, and nothing of its maker", () => {
  const t = new TestTailnet({ policy: POLICY });
  const node = t.join({ machine: 1, key: 1, authKey: t.authKey(t.user("ann", "owner"), { tags: ["tag:a"] }) });
  const capMap = capabilitiesOf(t.tailnet, node);
  expect(capMap).toHaveProperty("example", null);
  expect([ADMIN in capMap, OWNER in capMap]).toEqual([false, false]);
});
