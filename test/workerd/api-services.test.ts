// Services through the public API, and what hosts and their clients are told.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { readSettings } from "../../worker/env.ts";
import { api, node, type Person, person, seed } from "./support/api.ts";
import { connect, device, evict, mapBody, registerBody, theOwner } from "./support/tailnet.ts";

const SERVICES = "/tailnet/-/vip-services";
const POLICY = {
  tagOwners: { "tag:k8s": [], "tag:other": [] },
  autoApprovers: { services: { "tag:k8s": ["tag:k8s"] } },
  grants: [
    { src: ["*"], dst: ["autogroup:member", "autogroup:tagged"], ip: ["*"] },
    { src: ["*"], dst: ["svc:web"], ip: ["tcp:443"] },
  ],
};

let admin: Person;

beforeAll(async () => {
  await theOwner();
  admin = await person(500, "admin");
  await api("/tailnet/-/acl", { body: POLICY, token: admin.token });
  await seed({ type: "node-put", node: node(1, { userId: 500, name: "laptop" }) });
});

const call = async (method: string, name: string, body?: unknown) =>
  await api(`${SERVICES}/${name}`, { method, ...(body !== undefined && { body }), token: admin.token });
const listed = async () => (await api(SERVICES, { token: admin.token })).json;

describe("a service", () => {
  it("is made with both addresses, comes back byte for byte, is replaced whole and removed", async () => {
    expect(await listed()).toEqual({ vipServices: [] });
    expect((await call("GET", "svc:api")).status).toBe(404);
    const request = {
      name: "svc:api",
      comment: "managed",
      tags: ["tag:other", "tag:k8s"],
      ports: ["tcp:443", "tcp:80", "do-not-validate"],
      annotations: { "tailscale.com/owner-references": '{"ownerRefs":[{"operatorID":"nAbcCNTRL"}]}' },
    };
    const made = await call("PUT", "svc:api", request);
    expect(made.status).toBe(200);
    const { addrs, ...rest } = made.json;
    expect(rest).toEqual(request);
    expect(addrs).toEqual([expect.stringMatching(/^100\.\d+\.\d+\.\d+$/), expect.stringMatching(/^fd7a:115c:a1e0::/)]);
    expect((await call("GET", "svc:api")).json).toEqual(made.json);
    expect(await listed()).toEqual({ vipServices: [made.json] });
    expect((await call("PUT", "svc:api", { ...made.json, ports: ["tcp:1-9"] })).json.ports).toEqual(["tcp:1-9"]);
    expect((await call("PUT", "svc:api", { name: "svc:api" })).json).toEqual({ name: "svc:api", addrs });
    await evict();
    expect((await api("/tailnet/-/services/svc%3Aapi", { token: admin.token })).json).toEqual({
      name: "svc:api",
      addrs,
    });
    expect((await call("DELETE", "svc:api")).json).toEqual({});
    expect((await call("DELETE", "svc:api")).status).toBe(404);
  });

  it("takes an IPv4 address that is asked for, keeps its IPv6 address, and is renamed", async () => {
    const made = await call("PUT", "svc:one", { name: "svc:one", addrs: ["100.70.1.2"] });
    expect(made.json.addrs[0]).toBe("100.70.1.2");
    const moved = await call("PUT", "svc:one", { name: "svc:two", addrs: ["100.70.1.3", made.json.addrs[1]] });
    expect(moved.json).toEqual({ name: "svc:two", addrs: ["100.70.1.3", made.json.addrs[1]] });
    expect((await call("GET", "svc:one")).status).toBe(404);
    expect((await call("PUT", "svc:two", { name: "svc:two", addrs: ["100.70.1.3", "fd7a:115c:a1e0::1"] })).status).toBe(
      400,
    );
    expect((await call("PUT", "svc:six", { name: "svc:six", addrs: ["100.70.1.3"] })).status).toBe(409);
    await call("DELETE", "svc:two");
  });

  it.each<[string, unknown, number]>([
    ["svc:a", { name: "svc:b" }, 400],
    ["svc:a", {}, 400],
    ["svc:A_b", { name: "svc:A_b" }, 400],
    ["a", { name: "a" }, 400],
    ["svc:laptop", { name: "svc:laptop" }, 409],
    ["svc:a", { name: "svc:a", ports: ["udp:53"] }, 400],
    ["svc:a", { name: "svc:a", ports: ["tcp:0"] }, 400],
    ["svc:a", { name: "svc:a", ports: "tcp:443" }, 400],
    ["svc:a", { name: "svc:a", tags: ["tag:undefined"] }, 400],
    ["svc:a", { name: "svc:a", addrs: ["10.0.0.1"] }, 400],
    ["svc:a", { name: "svc:a", addrs: ["100.100.100.100"] }, 400],
    ["svc:a", { name: "svc:a", addrs: ["100.64.0.1"] }, 409],
    ["svc:a", { name: "svc:a", annotations: { a: 7 } }, 400],
    ["svc:a", { name: "svc:a", comment: "x".repeat(20_000) }, 400],
    ["svc:a", { name: "svc:a", displayName: "x".repeat(65) }, 400],
  ])("%s is refused as %j", async (name, body, status) => {
    const answer = await call("PUT", name, body);
    expect([answer.status, typeof answer.json.message]).toEqual([status, "string"]);
    expect(await listed()).toEqual({ vipServices: [] });
  });

  it("keeps its name from devices", async () => {
    await call("PUT", "svc:mine", { name: "svc:mine" });
    expect((await api("/device/1/name", { body: { name: "mine" }, token: admin.token })).status).toBe(409);
    await call("DELETE", "svc:mine");
  });
});

describe("the address of a device", () => {
  const readdress = async (ipv4: unknown) => await api("/device/1/ip", { body: { ipv4 }, token: admin.token });

  it("is changed, and its IPv6 address stays", async () => {
    expect((await readdress("100.80.0.9")).json).toEqual({});
    expect((await api("/device/1", { token: admin.token })).json.addresses).toEqual([
      "100.80.0.9",
      "fd7a:115c:a1e0::1",
    ]);
    expect((await readdress("100.64.0.1")).status).toBe(200);
  });

  it.each([
    ["100.100.100.100"],
    ["192.0.2.1"],
    ["100.64.0.0"],
    ["::1"],
    ["100.064.0.7"],
    ["100.300.1.1"],
    ["100.64.300.1"],
    [7],
    [""],
  ])("is never %s", async (ipv4) => {
    expect((await readdress(ipv4)).status).toBe(400);
    expect((await api("/device/1", { token: admin.token })).json.addresses[0]).toBe("100.64.0.1");
  });
});

type Message = Record<string, unknown>;

/** A tagged device on the tailnet, with its stream. */
async function tagged(n: number, hostname: string, tag: string) {
  const create = { reusable: true, preauthorized: true, tags: [tag] };
  const key = await api("/tailnet/-/keys", { body: { capabilities: { devices: { create } } }, token: admin.token });
  const from = device(n);
  const client = await connect(from);
  await client.call("/machine/register", registerBody(from, hostname, { Auth: { AuthKey: key.json.key } }));
  const stream = await client.request("POST", "/machine/map", mapBody(from));
  const first = await client.message(stream, 0);
  return { from, client, stream, first, id: first.Node as { ID: number; StableID: string } };
}

describe("a host", () => {
  it("is asked what it serves, approved by the policy, and reached by those whom the policy lets", async () => {
    const host = await tagged(920, "host", "tag:k8s");
    const viewer = await tagged(921, "viewer", "tag:other");
    const messages: Message[] = [];
    const until = async (side: typeof host, holds: (message: Message) => boolean): Promise<Message> => {
      for (let n = 0; ; n++) {
        const message = await side.client.message(side.stream, n);
        messages.push(message);
        if (holds(message)) return message;
      }
    };
    const made = await call("PUT", "svc:web", { name: "svc:web", tags: ["tag:k8s"], ports: ["tcp:443"] });
    const [ipv4, ipv6] = made.json.addrs as [string, string];

    const announce = { Hostname: "host", OS: "linux", ServicesHash: "hash-1" };
    const lite = mapBody(host.from, { Stream: false, OmitPeers: true, Hostinfo: announce });
    await host.client.response(await host.client.request("POST", "/machine/map", lite));
    const { PingRequest: ping } = await until(host, (message) => "PingRequest" in message);
    const { URL: url, Types, Payload } = ping as { URL: string; Types: string; Payload: string };
    expect([Types, atob(Payload)]).toEqual(["c2n", "GET /vip-services HTTP/1.1\r\nHost: c2n\r\n\r\n"]);

    const services = [{ Name: "svc:web", Ports: ["tcp:443"], Active: true }];
    const reply = `HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${JSON.stringify({ VIPServices: services, ServicesHash: "hash-1" })}`;
    const post = async (side: typeof host, text: string) => {
      const { bytes, streamId } = side.client.http2.request(
        "POST",
        new URL(url).pathname,
        new TextEncoder().encode(text),
      );
      await side.client.send(bytes);
      return (await side.client.response(streamId)).status;
    };
    await evict();
    expect(await post(viewer, reply)).toBe(404);
    expect(await post(host, "HTTP/1.1 500 Oops\r\n\r\n")).toBe(400);
    expect(await post(host, reply)).toBe(200);

    const told = await until(host, (message) => JSON.stringify(message.Node ?? {}).includes("service-host"));
    expect(told.Node).toMatchObject({ CapMap: { "service-host": [{ "svc:web": [ipv4, ipv6] }] } });
    expect((told.Node as { AllowedIPs: string[] }).AllowedIPs).toEqual(
      expect.arrayContaining([`${ipv4}/32`, `${ipv6}/128`]),
    );
    const filters = messages.map((message) => JSON.stringify(message.PacketFilters ?? "")).join();
    expect(filters).toContain(ipv4);

    const seen = await until(viewer, (message) => JSON.stringify(message.PeersChanged ?? []).includes(`${ipv4}/32`));
    const { magicDnsSuffix } = readSettings(env);
    expect((seen.DNSConfig as { ExtraRecords: unknown }).ExtraRecords).toEqual([
      { Name: `web.${magicDnsSuffix}`, Type: "A", Value: ipv4 },
      { Name: `web.${magicDnsSuffix}`, Type: "AAAA", Value: ipv6 },
    ]);

    const hosts = async () => (await api("/tailnet/-/services/svc:web/devices", { token: admin.token })).json.hosts;
    const { StableID } = host.id;
    expect(await hosts()).toEqual([{ stableNodeID: StableID, approvalLevel: "approved:auto", configured: "ready" }]);

    const approval = `/tailnet/-/services/svc:web/device/${StableID}/approved`;
    expect((await api(approval, { body: { approved: false }, token: admin.token })).json).toEqual({
      approved: false,
      autoApproved: true,
    });
    expect((await hosts())[0].approvalLevel).toBe("not-approved");
    expect((await api(approval, { body: { approved: true }, token: admin.token })).json).toEqual({
      approved: true,
      autoApproved: true,
    });
    expect((await api(approval, { token: admin.token })).json.approved).toBe(true);
    expect((await hosts())[0].approvalLevel).toBe("approved:manual");

    const gone = { ...announce, ServicesHash: "" };
    const clear = mapBody(host.from, { Stream: false, OmitPeers: true, Hostinfo: gone });
    await host.client.response(await host.client.request("POST", "/machine/map", clear));
    expect(await hosts()).toEqual([]);
    await call("DELETE", "svc:web");
  });
});
