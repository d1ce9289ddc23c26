// Proof with software that no one here wrote: the official Go client of the REST API, driven through every resource
// that it knows (test/clients/api/cmd/api-client) and through the calls of the Kubernetes operator (cmd/operator-flows).
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiBinaries } from "../clients/build.ts";
import { Child, type Exit } from "./support/child.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { createNetwork, type Network } from "./support/netns.ts";
import { fetchServerKey, ScriptedNode } from "./support/scripted-node.ts";

const ISSUER = "https://issuer.example.com";

let network: Network;
let flarescale: Flarescale;
let serverPublicKey: Uint8Array;

beforeAll(async () => {
  await apiBinaries();
  // Webhooks and log streams lead to hosts that exist, so the server gets a network that leads nowhere.
  network = await createNetwork();
  const namespace = await network.attach("api");
  flarescale = await startFlarescale({ namespace, listen: namespace.address });
  serverPublicKey = await fetchServerKey(flarescale.controlUrl);
});

afterAll(async () => {
  await flarescale?.stop();
  await network?.close();
});

/** Has a node log in once; returns its id and the login name that it was given. */
async function join(hostname: string, authKey: string, hostinfo = {}): Promise<{ nodeId: string; loginName: string }> {
  const node = new ScriptedNode(hostname, hostinfo);
  await node.connect({ url: flarescale.controlUrl, via: "gateway", serverPublicKey });
  const loginName = await node.register(authKey);
  node.disconnect();
  const before = new Set(joined);
  const device = (await flarescale.api.devices()).find(
    (each) => each.hostname === hostname && !before.has(each.nodeId),
  );
  if (device === undefined) throw new Error(`${hostname} is no device`);
  joined.push(device.nodeId);
  return { nodeId: device.nodeId, loginName };
}
const joined: string[] = [];

/** A federated identity whose issuer's keys are pinned, and a token of that issuer. */
async function federatedIdentity() {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const { id, audience } = await flarescale.api.request<{ id: string; audience: string }>("POST", "/tailnet/-/keys", {
    keyType: "federated",
    scopes: ["all"],
    tags: ["tag:ci"],
    issuer: ISSUER,
    subject: "system:serviceaccount:ci:*",
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: "one", alg: "ES256" }] },
  });
  const claims = new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "one" }).setIssuer(ISSUER);
  const signed = claims.setSubject("system:serviceaccount:ci:runner").setAudience(audience).setExpirationTime("5m");
  return { id, token: await signed.sign(privateKey) };
}

describe("the official Go client", () => {
  interface Line {
    readonly as: string;
    readonly step: string;
    readonly saw?: unknown;
    readonly error?: string;
  }
  const lines: Line[] = [];
  let exit: Exit;

  beforeAll(async () => {
    await flarescale.api.setPolicy({ tagOwners: { "tag:ci": [] } });
    const { nodeId } = await join("proof", flarescale.authKey, { RoutableIPs: ["10.9.0.0/24"] });
    for (const round of ["token", "oauth", "federated"]) await join(`disposable-${round}`, flarescale.authKey);
    const identity = await federatedIdentity();
    const child = new Child({
      name: "api-client",
      command: [(await apiBinaries()).apiClient, nodeId],
      env: {
        FLARESCALE_URL: flarescale.workerUrl,
        FLARESCALE_API_TOKEN: flarescale.apiToken,
        FLARESCALE_CLIENT_ID: identity.id,
        FLARESCALE_ID_TOKEN: identity.token,
      },
      onLine: (line) => lines.push(JSON.parse(line) as Line),
    });
    exit = await child.exited;
  });

  it.each([
    { as: "token", owner: "admin@localhost", address: "100.64.7.1", left: 3 },
    { as: "oauth", owner: "tagged-devices", address: "100.64.7.2", left: 2 }, // the first round has tagged the device
    { as: "federated", owner: "tagged-devices", address: "100.64.7.3", left: 1 },
  ])("finds every resource as it expects it, as $as", ({ as, owner, address, left }) => {
    expect(exit).toEqual({ code: 0, signal: null });
    const seen = lines.filter((line) => line.as === as).map(({ step, saw, error }) => [step, error ?? saw]);
    const key = { description: "proof", listed: true, secretAgain: "", tags: ["tag:ci"] };
    expect(seen).toEqual([
      ["policy set and read", { unchanged: true, sameTag: true, tagOwners: { "tag:ci": [] }, setAgain: true }],
      ["policy as a value", { tagOwners: { "tag:ci": ["autogroup:admin"] }, acls: 1, tag: true }],
      ["policy with a stale tag", "precondition failed, invalid old hash (412)"],
      ["policy valid", true],
      ["policy invalid", expect.stringMatching(/^ACL validation failed: .*tag not found: "tag:nobody"/)],
      [
        "devices",
        [
          { hostname: "proof", user: owner, advertised: ["10.9.0.0/24"] },
          ...["token", "oauth", "federated"].slice(-left).map((round) => {
            return { hostname: `disposable-${round}`, user: "admin@localhost", advertised: [] };
          }),
        ],
      ],
      ["device routes", { advertisedRoutes: ["10.9.0.0/24"], enabledRoutes: ["10.9.0.0/24"] }],
      ["device with all fields", { whole: ["10.9.0.0/24"], usual: null }],
      ["device changed", { name: `named-by-${as}`, tags: ["tag:ci"], keyExpiryDisabled: true, authorized: true }],
      ["posture attribute", { value: as, remains: false }],
      ["device address", { moved: true, address, sameIPv6: true }],
      ["device address outside", expect.stringMatching(/\(400\)$/)],
      ["devices by tag and name", { tagged: 1, named: 1 }],
      ["device deleted", true],
      ["device unknown", true],
      ["auth key", { ...key, prefix: "tskey-auth-", scopes: null }],
      ["OAuth client", { ...key, prefix: "tskey-client-", scopes: ["auth_keys"] }],
      [
        "federated identity",
        {
          ...{ secret: "", rules: { ref: "refs/heads/*" }, subject: "repo:acme/*", sameAudience: true, updated: true },
          ...{
            scopes: ["dns:read", "users:read"],
            changedRules: {},
            changedSubject: "*",
            invalid: true,
            revoked: true,
          },
        },
      ],
      ["OAuth client replaced", { scopes: ["dns:read"], tags: null, secret: "" }],
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
      [
        "DNS in parts",
        {
          servers: ["192.0.2.53"],
          paths: ["corp.example.com"],
          split: { "new.example.com": ["192.0.2.2"] },
          preferences: { magicDNS: true },
        },
      ],
      ["users", [{ login: "admin@localhost", role: "owner", status: "active" }]],
      ["contacts", { email: `${as}@example.com`, needsVerification: false }],
      ["settings", 42],
      ["service", { listed: 1, ports: ["tcp:443"], comment: "proof", tags: ["tag:ci"], addresses: 2, gone: true }],
      [
        "webhook",
        {
          ...{ listed: 1, provider: "slack", newSecret: true, secretAgain: false, gone: true },
          subscriptions: ["userDeleted", "categoryDeviceMisconfigurations"],
        },
      ],
      [
        "posture integration",
        {
          ...{ listed: 1, cloud: "us-1", client: "two", provider: "falcon", gone: true },
          second: expect.stringMatching(/\(409\)$/),
        },
      ],
      [
        "log stream",
        {
          set: {
            ...{
              logType: "configuration",
              destinationType: "elastic",
              url: "https://logs.example.com/",
              user: "proof",
            },
            ...{ uploadPeriodMinutes: 5, compressionFormat: "zstd" },
          },
          ...{ other: true, gone: true },
        },
      ],
      [
        "AWS external id",
        { anew: true, again: true, account: "000000000000", trust: expect.stringMatching(/\(422\)$/) },
      ],
      ["network flow logs", expect.stringContaining("network flow logs are not supported by this server")],
      ["methods", { there: 68, never: [] }],
    ]);
  });
});

describe("the Kubernetes operator's calls", () => {
  interface Line {
    readonly step?: string;
    readonly saw?: unknown;
    readonly error?: string;
    readonly join?: { readonly hostname: string; readonly key: string };
  }

  it("are answered as it needs them, pod by pod and service by service", async () => {
    await flarescale.api.setPolicy({
      tagOwners: { "tag:k8s-operator": [], "tag:k8s": ["tag:k8s-operator"], "tag:prod": [] },
    });
    const client = await flarescale.api.request<{ id: string; key: string }>("POST", "/tailnet/-/keys", {
      keyType: "client",
      scopes: ["auth_keys", "devices:core", "services"],
      tags: ["tag:k8s-operator"],
    });
    const seen: unknown[] = [];
    const loginNames: string[] = [];
    const child = new Child({
      name: "operator-flows",
      command: [(await apiBinaries()).operatorFlows],
      env: {
        FLARESCALE_URL: flarescale.workerUrl,
        FLARESCALE_CLIENT_ID: client.id,
        FLARESCALE_CLIENT_SECRET: `${client.key}\n`, // as a mounted file has it
      },
      onLine: (text) => {
        const { step, saw, error, join: pod } = JSON.parse(text) as Line;
        if (step !== undefined) seen.push([step, error ?? saw]);
        if (pod === undefined) return;
        void join(pod.hostname, pod.key).then(({ nodeId, loginName }) => {
          loginNames.push(loginName);
          child.send(nodeId);
        });
      },
    });
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(seen).toEqual([
      ["boot", { sameID: true, tags: ["tag:k8s-operator"], authorized: true }],
      ["expose a Service", ["deleted", "gone already"]],
      ["key with two tags", true],
      ["ProxyGroup", { reissued: true, ended: ["deleted", "deleted"] }],
      ["HA Ingress", ["created", "as wanted", "updated", "as wanted", "updated", "as wanted"]],
      ["HA Ingress gone", { restUnchanged: true, gone: true, goneAgain: true }],
      ["HA Service", { addresses: 2, ports: ["do-not-validate"] }],
      ["API server proxy", ["svc:kube-old"]],
      ["Recorder", { hostname: "recorder-0", addresses: 2 }],
      ["readiness of a Tailnet", { devices: true, services: 0 }],
      ["policy file", expect.stringMatching(/permissions to perform this function \(403\)$/)],
      ["settings of others", expect.stringMatching(/permissions to perform this function \(403\)$/)],
      ["key with a tag of others", "requested tags [tag:prod] are invalid or not permitted (400)"],
      ["key without tags", expect.stringMatching(/\(400\)$/)],
    ]);
    // Names of services are derived from the login name of a tagged node, which has to be its own name.
    const suffix = (await flarescale.api.deviceCalled("recorder-0")).name.replace(/^[^.]+/, "");
    expect(loginNames).toEqual(
      ["operator", "proxy-0", "ingress-0", "ingress-1", "ingress-0", "recorder-0"].map((name) => `${name}${suffix}`),
    );
  });
});
