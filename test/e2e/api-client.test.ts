// Proof with software that no one here wrote: the official Go client of the REST API (driven by test/clients/api) and
// the logins of the real client that need the API.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiClientBinary, clientBinaries } from "../clients/build.ts";
import { Child, type Exit } from "./support/child.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { fetchServerKey, ScriptedNode } from "./support/scripted-node.ts";
import { Tailscaled } from "./support/tailscaled.ts";

interface Line {
  readonly as: string;
  readonly step: string;
  readonly saw?: unknown;
  readonly error?: string;
}

let flarescale: Flarescale;

beforeAll(async () => {
  await clientBinaries();
  flarescale = await startFlarescale();
});

afterAll(async () => {
  await flarescale?.stop();
});

describe("the official Go client", () => {
  const lines: Line[] = [];
  let exit: Exit;

  beforeAll(async () => {
    const url = flarescale.controlUrl;
    const node = new ScriptedNode("proof", { RoutableIPs: ["10.9.0.0/24"] });
    await node.connect({ url, via: "gateway", serverPublicKey: await fetchServerKey(url) });
    await node.register(flarescale.authKey);
    node.disconnect();
    const { id } = await flarescale.api.deviceCalled("proof");
    const child = new Child({
      name: "api-client",
      command: [await apiClientBinary(), id],
      env: { FLARESCALE_URL: flarescale.workerUrl, FLARESCALE_API_TOKEN: flarescale.apiToken },
      onLine: (line) => lines.push(JSON.parse(line) as Line),
    });
    exit = await child.exited;
  });

  it.each([
    { as: "token", owner: "admin@localhost" },
    { as: "oauth", owner: "tagged-devices" }, // the first round has tagged the device
  ])("finds every resource as it expects it, as $as", ({ as, owner }) => {
    expect(exit).toEqual({ code: 0, signal: null });
    const seen = lines.filter((line) => line.as === as).map(({ step, saw, error }) => [step, error ?? saw]);
    const key = { description: "proof", listed: true, secretAgain: "", tags: ["tag:ci"] };
    expect(seen).toEqual([
      ["policy set and read", { unchanged: true, sameTag: true, tagOwners: { "tag:ci": [] }, setAgain: true }],
      ["policy with a stale tag", "precondition failed, invalid old hash (412)"],
      ["policy valid", true],
      ["policy invalid", expect.stringMatching(/^ACL validation failed: .*tag not found: "tag:nobody"/)],
      ["devices", [{ hostname: "proof", user: owner, advertised: ["10.9.0.0/24"] }]],
      ["device routes", { advertisedRoutes: ["10.9.0.0/24"], enabledRoutes: ["10.9.0.0/24"] }],
      ["device changed", { name: `named-by-${as}`, tags: ["tag:ci"], keyExpiryDisabled: true, authorized: true }],
      ["posture attribute", { value: as, remains: false }],
      ["device unknown", true],
      ["auth key", { ...key, prefix: "tskey-auth-", scopes: null }],
      ["OAuth client", { ...key, prefix: "tskey-client-", scopes: ["auth_keys"] }],
      [
        "DNS",
        {
          updated: { "new.example.com": ["192.0.2.2"] },
          configuration: {
            nameservers: [{ address: "192.0.2.53" }],
            splitDNS: { "new.example.com": [{ address: "192.0.2.2" }] },
            searchPaths: ["corp.example.com"],
            preferences: { overrideLocalDNS: true, magicDNS: true },
          },
        },
      ],
      ["users", [{ login: "admin@localhost", role: "owner", status: "active" }]],
      ["contacts", { email: `${as}@example.com`, needsVerification: false }],
      ["settings", 42],
      ["service", { listed: 1, ports: ["tcp:443"], comment: "proof", tags: ["tag:ci"], addresses: 2, gone: true }],
    ]);
  });
});

it("lets a node join with the secret of an OAuth client in place of an auth key", async () => {
  await flarescale.api.setPolicy({ tagOwners: { "tag:x": [] } });
  const { key: secret } = await flarescale.api.request<{ key: string }>("POST", "/tailnet/-/keys", {
    keyType: "client",
    scopes: ["auth_keys"],
    tags: ["tag:x"],
  });
  // Without baseURL the command would ask its vendor.
  const options = new URLSearchParams({ ephemeral: "false", preauthorized: "true", baseURL: flarescale.workerUrl });
  const node = await Tailscaled.start({ hostname: "by-oauth" });
  await node.up(flarescale.controlUrl, [`--auth-key=${secret}?${options}`, "--advertise-tags=tag:x"]);

  const device = await flarescale.api.deviceCalled("by-oauth");
  expect(device).toMatchObject({ tags: ["tag:x"], authorized: true, isEphemeral: false });
});
