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
    const capMap = capabilitiesOf(t.tailnet, node, "corp");
    expect([ADMIN in capMap, OWNER in capMap]).toEqual([admin, owner]);
    expect(capMap).toMatchObject({
      "https://tailscale.com/cap/file-sharing": null,
      "https://tailscale.com/cap/ssh": null,
      "default-auto-update": [false],
      "tailnet-display-name": ["corp"],
    });
  },
);

it("gives a tagged node what the policy gives, and nothing of its maker", () => {
  const t = new TestTailnet({ policy: POLICY });
  const node = t.join({ machine: 1, key: 1, authKey: t.authKey(t.user("ann", "owner"), { tags: ["tag:a"] }) });
  const capMap = capabilitiesOf(t.tailnet, node, "corp");
  expect(capMap).toHaveProperty("example", null);
  expect([ADMIN in capMap, OWNER in capMap]).toEqual([false, false]);
});

it("warns a node that may use Funnel as long as there are no certificates for it", () => {
  const policy = '{ "nodeAttrs": [{ "target": ["ann@example.com"], "attr": ["funnel"] }] }';
  const warns = (name: string, isHttpsOn: boolean) => {
    const t = new TestTailnet({ policy, settings: { isHttpsOn } });
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(t.user(name)) });
    return "https://tailscale.com/cap/warn-funnel-no-https" in capabilitiesOf(t.tailnet, node, "corp");
  };
  expect([warns("ann", false), warns("ann", true), warns("bob", false)]).toEqual([true, false, false]);
});

it("gives the network options of the policy to the nodes that they are for", () => {
  const policy = '{ "OneCGNATRoute": "mac-always", "randomizeClientPort": true, "disableIPv4": true }';
  const t = new TestTailnet({ policy });
  const authKey = t.authKey(t.user("ann"), { isReusable: true });
  const [mac, linux] = ["macOS", "linux"].map((OS, i) =>
    t.join({ machine: i + 1, key: i + 1, authKey, hostinfo: { OS, Hostname: OS } }),
  );
  const [ofMac, ofLinux] = [mac, linux].map((node) => node && capabilitiesOf(t.tailnet, node, "corp"));
  expect(ofMac).toMatchObject({ "one-cgnat?v=true": null, "randomize-client-port": null, "disable-ipv4": null });
  expect(ofLinux).toMatchObject({ "randomize-client-port": null, "disable-ipv4": null });
  expect(ofLinux).not.toHaveProperty("one-cgnat?v=true");
});
