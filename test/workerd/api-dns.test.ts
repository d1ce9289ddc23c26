// DNS through the public API: four older views and one newer of the same state, and what connected clients are told.
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { readSettings } from "../../worker/env.ts";
import { DNS_MAX_DOMAINS, DNS_MAX_NAMESERVERS } from "../../worker/protocol/limits.ts";
import { api, type Person, person } from "./support/api.ts";
import { device, join, theOwner } from "./support/tailnet.ts";

const DNS = "/tailnet/-/dns";
let admin: Person;

beforeEach(async () => {
  await theOwner();
  admin ??= await person(500, "admin");
  await set("configuration", { preferences: {} });
});

const get = async (view: string) => (await api(`${DNS}/${view}`, { token: admin.token })).json;
const set = async (view: string, body: unknown, method = "POST") =>
  await api(`${DNS}/${view}`, { method, body, token: admin.token });

describe("the older views", () => {
  it("keep the order of nameservers and never say null", async () => {
    expect(await get("nameservers")).toEqual({ dns: [] });
    const { status, json } = await set("nameservers", { dns: ["8.8.8.8", "8.8.4.4", "2620:fe::fe"] });
    expect([status, json]).toEqual([200, { dns: ["8.8.8.8", "8.8.4.4", "2620:fe::fe"], magicDNS: false }]);
    expect(await get("nameservers")).toEqual({ dns: ["8.8.8.8", "8.8.4.4", "2620:fe::fe"] });
    expect((await set("nameservers", { dns: null })).json).toEqual({ dns: [], magicDNS: false });
  });

  it("switch MagicDNS without a nameserver, and leave it alone otherwise", async () => {
    expect((await set("preferences", { magicDNS: true })).json).toEqual({ magicDNS: true });
    await set("nameservers", { dns: ["8.8.8.8"] });
    await set("nameservers", { dns: [] });
    expect(await get("preferences")).toEqual({ magicDNS: true });
  });

  it("keep the order of search paths", async () => {
    expect(await get("searchpaths")).toEqual({ searchPaths: [] });
    expect((await set("searchpaths", { searchPaths: ["b.example.com", "a.example.com"] })).json).toEqual({
      searchPaths: ["b.example.com", "a.example.com"],
    });
    expect(await get("searchpaths")).toEqual({ searchPaths: ["b.example.com", "a.example.com"] });
  });

  it("change, remove and replace domains of split DNS", async () => {
    expect(await get("split-dns")).toEqual({});
    await set("split-dns", { "a.example.com": ["1.1.1.1"], "b.example.com": ["1.1.1.2"] }, "PATCH");
    expect((await set("split-dns", { "b.example.com": null, "c.example.com": ["1.1.1.3"] }, "PATCH")).json).toEqual({
      "a.example.com": ["1.1.1.1"],
      "c.example.com": ["1.1.1.3"],
    });
    expect((await set("split-dns", { "a.example.com": [] }, "PATCH")).json).toEqual({ "c.example.com": ["1.1.1.3"] });
    expect((await set("split-dns", { "d.example.com": ["1.1.1.4"] }, "PUT")).json).toEqual({
      "d.example.com": ["1.1.1.4"],
    });
    expect((await set("split-dns", {}, "PUT")).json).toEqual({});
  });
});

describe("the configuration", () => {
  const whole = {
    nameservers: [{ address: "1.1.1.1", useWithExitNode: true }, { address: "https://dns.example.com/dns-query" }],
    splitDNS: { "foo.example.com": [{ address: "1.1.1.2" }] },
    searchPaths: ["example.com"],
    preferences: { overrideLocalDNS: true, magicDNS: true },
  };

  it("comes back as it was written, and without empty members once it is cleared", async () => {
    expect((await set("configuration", whole)).json).toEqual(whole);
    expect(await get("configuration")).toEqual(whole);
    await set("configuration", { preferences: {} });
    expect(await get("configuration")).toEqual({ preferences: { overrideLocalDNS: false, magicDNS: false } });
  });

  it("is what the older views show, which keep how a resolver is used", async () => {
    await set("configuration", whole);
    expect(await get("nameservers")).toEqual({ dns: ["1.1.1.1", "https://dns.example.com/dns-query"] });
    await set("nameservers", { dns: ["9.9.9.9", "1.1.1.1"] });
    expect((await get("configuration")).nameservers).toEqual([
      { address: "9.9.9.9" },
      { address: "1.1.1.1", useWithExitNode: true },
    ]);
  });
});

describe("the oldest form, which the first Go client has", () => {
  const old = {
    resolvers: [{ addr: "192.0.2.53", useWithExitNode: true }],
    fallbackResolvers: [],
    routes: { "foo.example.com": [{ addr: "192.0.2.54" }] },
    domains: ["example.com"],
    proxied: true,
    nameservers: [],
  };

  it("comes back as it was written, and is what the newest view shows", async () => {
    expect((await set("config", old)).json).toEqual(old);
    expect(await get("config")).toEqual(old);
    expect(await get("configuration")).toEqual({
      nameservers: [{ address: "192.0.2.53", useWithExitNode: true }],
      splitDNS: { "foo.example.com": [{ address: "192.0.2.54" }] },
      searchPaths: ["example.com"],
      preferences: { overrideLocalDNS: true, magicDNS: true },
    });
  });

  it("tells nameservers that override from those that stand in", async () => {
    const nothing = { resolvers: null, routes: null, domains: null, proxied: false, nameservers: null };
    await set("config", { ...nothing, fallbackResolvers: [{ addr: "192.0.2.53" }] });
    expect(await get("configuration")).toEqual({
      nameservers: [{ address: "192.0.2.53" }],
      preferences: { overrideLocalDNS: false, magicDNS: false },
    });
    expect(await get("config")).toEqual({
      ...{ resolvers: [], fallbackResolvers: [{ addr: "192.0.2.53" }], routes: {}, domains: [] },
      ...{ proxied: false, nameservers: [] },
    });
  });
});

describe("refused, with everything as before:", () => {
  it.each<[string, unknown, string?]>([
    ["nameservers", { dns: ["example.com"] }],
    ["nameservers", { dns: ["http://dns.example.com/"] }],
    ["nameservers", { dns: ["https://user:secret@dns.example.com/"] }],
    ["nameservers", { dns: ["1.1.1.1:0"] }],
    ["nameservers", { dns: ["1.1.1.1", 7] }],
    ["nameservers", { dns: "1.1.1.1" }],
    ["nameservers", { dns: Array(DNS_MAX_NAMESERVERS + 1).fill("1.1.1.1") }],
    ["nameservers", { dns: ["1.1.1.1'; drop table nodes; --"] }],
    ["preferences", {}],
    ["preferences", { magicDNS: "yes" }],
    ["searchpaths", { searchPaths: ["not a domain"] }],
    ["searchpaths", { searchPaths: [".example.com"] }],
    ["searchpaths", { searchPaths: [`${"x".repeat(64)}.example.com`] }],
    ["split-dns", { "": ["1.1.1.1"] }, "PATCH"],
    ["split-dns", { "a.example.com": ["nonsense"] }, "PATCH"],
    ["split-dns", { "a.example.com": "1.1.1.1" }, "PUT"],
    ["configuration", { nameservers: ["1.1.1.1"] }],
    ["configuration", { splitDNS: { "a..b": [{ address: "1.1.1.1" }] } }],
    ["config", { resolvers: [{ addr: "1.1.1.1" }], fallbackResolvers: [{ addr: "1.1.1.2" }] }],
    ["config", { nameservers: ["1.1.1.1"] }],
    ["config", { resolvers: ["1.1.1.1"] }],
    ["config", { routes: { "a..b": [{ addr: "1.1.1.1" }] } }],
  ])("%s %j", async (view, body, method) => {
    await set("configuration", { nameservers: [{ address: "192.0.2.1" }] });
    const { status, json } = await set(view, body, method);
    expect([status, typeof json.message]).toEqual([400, "string"]);
    expect(await get("configuration")).toEqual({
      nameservers: [{ address: "192.0.2.1" }],
      preferences: { overrideLocalDNS: false, magicDNS: false },
    });
  });

  it("more domains than clients should be told of", async () => {
    const domains = Array.from({ length: DNS_MAX_DOMAINS + 1 }, (_, i) => [`d${i}.example.com`, ["1.1.1.1"]]);
    expect((await set("split-dns", Object.fromEntries(domains), "PUT")).status).toBe(400);
    expect(await get("split-dns")).toEqual({});
  });
});

it("reaches connected clients at once", async () => {
  const { client, stream } = await join(device(900), "dns-client");
  await set("configuration", {
    nameservers: [{ address: "192.0.2.53" }],
    searchPaths: ["corp.example.com"],
    preferences: { magicDNS: true, overrideLocalDNS: true },
  });
  const { magicDnsSuffix } = readSettings(env);
  const told = await client.message(stream, 1);
  expect(told.DNSConfig).toEqual({
    Resolvers: [{ Addr: "192.0.2.53" }],
    Routes: { [magicDnsSuffix]: null },
    Domains: [magicDnsSuffix, "corp.example.com"],
    Proxied: true,
  });
});
