// Devices and their routes through the public API: fields, filters, both forms of ids, and what each action does.
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DEVICE_PAGE_MAX } from "../../worker/protocol/limits.ts";
import { api, node, person, policyPut, seed } from "./support/api.ts";

const NOW = 1_700_000_000_000;
const HIDDEN = { status: 404, json: { message: "no manageable device matching this ID found" } };

let token: string;
let userId: number;

const POLICY = JSON.stringify({
  tagOwners: { "tag:web": [], "tag:db": [] },
  grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }],
});

const hostinfo = {
  Hostname: "Laptop",
  OS: "linux",
  IPNVersion: "1.102.0-t0",
  ShieldsUp: true,
  Distro: "debian",
  DistroVersion: "13",
  DistroCodeName: "trixie",
  sshHostKeys: ["ssh-ed25519 AAAA"],
  RoutableIPs: ["10.0.1.0/24", "1.2.0.0/16", "::/0", "0.0.0.0/0", "not a route"],
  NetInfo: {
    MappingVariesByDestIP: false,
    WorkingIPv6: true,
    WorkingUDP: true,
    UPnP: false,
    DERPLatency: { "1-v4": 0.02, "1-v6": 0.012, "2-v4": 0.1, "constructor-v4": 1, "999-v4": 1, x: "y" },
  },
};

beforeAll(async () => {
  ({
    token,
    user: { id: userId },
  } = await person(100, "admin"));
  await seed(policyPut(POLICY, NOW));
});

beforeEach(async () => {
  await seed(
    {
      type: "node-put",
      node: node(1, { userId, hostinfo, homeDerp: 1, endpoints: ["192.0.2.1:41641"], approvedRoutes: ["10.0.0.0/8"] }),
    },
    {
      type: "node-put",
      node: node(2, { tags: ["tag:db", "tag:web"], isEphemeral: true, lastSeenAt: NOW, keyExpiresAt: NOW }),
    },
    { type: "node-put", node: node(3, { userId, isAuthorized: false, isNameFixed: true, name: "chosen" }) },
  );
});

const stable = (id: number) => `n${String(id).padStart(11, "0")}CNTRL`;
const get = async (path: string) => (await api(path, { token })).json;
const post = async (path: string, body?: unknown) =>
  await api(path, { method: "POST", token, ...(body !== undefined && { body }) });

const DEFAULT_FIELDS = {
  addresses: ["100.64.0.1", "fd7a:115c:a1e0::1"],
  id: "1",
  nodeId: stable(1),
  user: "admin-100@example.com",
  name: "node-1.tail.internal",
  hostname: "Laptop",
  clientVersion: "1.102.0-t0",
  updateAvailable: false,
  os: "linux",
  created: "2023-11-14T22:13:20Z",
  connectedToControl: false,
  keyExpiryDisabled: false,
  expires: "0001-01-01T00:00:00Z",
  authorized: true,
  isExternal: false,
  isEphemeral: false,
  machineKey: `mkey:${"1".padStart(64, "0")}`,
  nodeKey: `nodekey:${"1".padStart(64, "0")}`,
  blocksIncomingConnections: true,
  tailnetLockKey: "",
  tailnetLockError: "",
};

describe("a device", () => {
  it.each(["1", stable(1)])("has the default fields and no others, as %s", async (id) => {
    expect(await get(`/device/${id}`)).toEqual(DEFAULT_FIELDS);
    expect(await get(`/device/${id}?fields=default`)).toEqual(DEFAULT_FIELDS);
    expect(await get(`/device/${id}?fields=whatever`)).toEqual(DEFAULT_FIELDS);
  });

  it("has all fields when they are asked for", async () => {
    expect(await get("/device/1?fields=all")).toEqual({
      ...DEFAULT_FIELDS,
      advertisedRoutes: ["0.0.0.0/0", "1.2.0.0/16", "10.0.1.0/24", "::/0"],
      enabledRoutes: ["10.0.0.0/8"],
      clientConnectivity: {
        endpoints: ["192.0.2.1:41641"],
        derp: expect.stringMatching(/^[a-z]+$/),
        mappingVariesByDestIP: false,
        latency: expect.any(Object),
        clientSupports: { hairPinning: null, ipv6: true, pcp: null, pmp: null, udp: true, upnp: false },
      },
      sshEnabled: true,
      distro: { name: "debian", version: "13", codeName: "trixie" },
    });
    const { latency } = (await get("/device/1?fields=all")).clientConnectivity;
    expect(Object.values(latency)).toEqual([{ preferred: true, latencyMs: 12 }, { latencyMs: 100 }]);
  });

  it("that is tagged has tags and no owner", async () => {
    const device = await get("/device/2");
    expect(device).toMatchObject({ user: "tagged-devices", tags: ["tag:db", "tag:web"], isEphemeral: true });
    expect(device).toMatchObject({ lastSeen: "2023-11-14T22:13:20Z", expires: "2023-11-14T22:13:20Z" });
  });

  it("that reports nothing of itself has no optional fields", async () => {
    expect(Object.keys(await get("/device/3?fields=all")).sort()).toEqual(
      [...Object.keys(DEFAULT_FIELDS), "advertisedRoutes", "enabledRoutes", "sshEnabled"].sort(),
    );
  });

  it("that reports nonsense of itself is still shown", async () => {
    const nonsense = {
      OS: 7,
      IPNVersion: ["x"],
      Distro: {},
      NetInfo: { DERPLatency: "fast", WorkingUDP: "yes" },
      ShieldsUp: "no",
    };
    await seed({ type: "node-put", node: node(4, { userId, hostinfo: nonsense }) });
    const device = await get("/device/4?fields=all");
    expect(device).toMatchObject({ os: "", clientVersion: "", hostname: "", blocksIncomingConnections: false });
    expect(device.clientConnectivity).toMatchObject({ latency: {}, derp: "", clientSupports: { udp: null } });
    expect((await api("/device/4", { method: "DELETE", token })).status).toBe(200);
  });

  it.each(["0", "4", "01", "-1", "1.0", "99999999999999999999", stable(4), `${stable(1)}x`, "x%2Fy", "%00", "é"])(
    "is not found as %s",
    async (id) => {
      for (const [method, path] of [
        ["GET", ""],
        ["DELETE", ""],
        ["POST", "/expire"],
        ["GET", "/routes"],
      ] as const) {
        expect(await api(`/device/${id}${path}`, { method, token })).toMatchObject(HIDDEN);
      }
    },
  );
});

describe("the list of devices", () => {
  const ids = async (query: string) => {
    const { devices } = await get(`/tailnet/-/devices${query}`);
    return devices.map((device: { id: string }) => device.id);
  };

  it("holds every device in order of creation, with the fields asked for", async () => {
    expect(await ids("")).toEqual(["1", "2", "3"]);
    expect((await get("/tailnet/-/devices")).devices[0]).toEqual(DEFAULT_FIELDS);
    expect((await get("/tailnet/-/devices?fields=all")).devices[0]).toEqual(await get("/device/1?fields=all"));
  });

  it.each([
    ["name=node-1.tail.internal", ["1"]],
    ["name=node-1", []],
    ["hostname=Laptop", ["1"]],
    ["hostname=laptop", []],
    ["tags=tag:web", ["2"]],
    ["tags=tag:web&tags=tag:db", ["2"]],
    ["tags=tag:web&tags=tag:other", []],
    ["isEphemeral=true", ["2"]],
    ["isEphemeral=false", ["1", "3"]],
    [`nodeId=${stable(3)}`, ["3"]],
    ["id=2", ["2"]],
    ["user=admin-100@example.com", ["1", "3"]],
    ["user=admin-100@example.com&authorized=true", ["1"]],
    ["os=linux", ["1", "2", "3"]],
    ["authorized=false", ["3"]],
    ["addresses=100.64.0.2", ["2"]],
    ["advertisedRoutes=::/0", ["1"]],
    ["enabledRoutes=10.0.0.0/8", ["1"]],
    ["lastSeen=2023-11-14T22:13:20Z", ["2"]],
    ["lastSeen=undefined", []],
    ["sshEnabled=true&fields=all", ["1"]],
    ["name=a&name=b", []],
    ["name=", []],
  ])("filters by %s", async (query, expected) => {
    expect(await ids(`?${query}`)).toEqual(expected);
  });

  it("is whole and in order when it is too large for one answer of the object", async () => {
    const RoutableIPs = Array.from({ length: 3_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
    const many = Array.from({ length: 200 }, (_, i) =>
      node(1_000 + i, { userId, ipv4: `100.65.0.${i}`, hostinfo: { Hostname: "large", RoutableIPs } }),
    );
    await seed(...many.toReversed().map((each) => ({ type: "node-put" as const, node: each })));
    const answer = await api("/tailnet/-/devices?fields=all&hostname=large", { token });
    expect(answer.text.length).toBeGreaterThan(DEVICE_PAGE_MAX);
    expect(answer.json.devices.map((device: { id: string }) => Number(device.id))).toEqual(many.map(({ id }) => id));
    await seed(...many.map(({ id }) => ({ type: "node-removed" as const, id })));
  });

  it("shows the default fields when it filters by others", async () => {
    expect((await get("/tailnet/-/devices?sshEnabled=true")).devices).toEqual([DEFAULT_FIELDS]);
  });

  it.each(["colour", "distro", "clientConnectivity", "__proto__", "constructor", "Name"])(
    "refuses to filter by %s",
    async (name) => {
      const answer = await api(`/tailnet/-/devices?${name}=x`, { token });
      expect([answer.status, answer.json]).toEqual([400, { message: expect.stringContaining(name) }]);
    },
  );
});

describe("actions on a device", () => {
  it.each(["1", stable(1)])("are taken by %s and answered with an empty object", async (id) => {
    expect(await post(`/device/${id}/authorized`, { authorized: false })).toMatchObject({ status: 200, text: "{}" });
    expect((await get("/device/1")).authorized).toBe(false);
    await post(`/device/${id}/authorized`, { authorized: true });
    expect((await get("/device/1")).authorized).toBe(true);

    expect(await post(`/device/${id}/name`, { name: "Web-1.tail.internal" })).toMatchObject({
      status: 200,
      text: "{}",
    });
    expect((await get("/device/1")).name).toBe("web-1.tail.internal");

    expect(await post(`/device/${id}/key`, { keyExpiryDisabled: true })).toMatchObject({ status: 200, text: "{}" });
    expect((await get("/device/1")).keyExpiryDisabled).toBe(true);

    expect(await api(`/device/${id}`, { method: "DELETE", token })).toMatchObject({ status: 200, text: "{}" });
    expect((await api(`/device/${id}`, { method: "DELETE", token })).status).toBe(404);
  });

  it("expire a key now, also when expiry was switched off, without any body", async () => {
    await post("/device/1/key", { keyExpiryDisabled: true });
    expect(await post("/device/1/expire")).toMatchObject({ status: 200, text: "{}" });
    const { expires, keyExpiryDisabled } = await get("/device/1");
    expect(keyExpiryDisabled).toBe(false);
    expect(Math.abs(Date.now() - Date.parse(expires))).toBeLessThan(5_000);
  });

  it("keep the stored expiry while it is switched off", async () => {
    await post("/device/2/key", { keyExpiryDisabled: true });
    expect(await get("/device/2")).toMatchObject({ keyExpiryDisabled: true, expires: "2023-11-14T22:13:20Z" });
    await post("/device/2/key", { keyExpiryDisabled: false });
    expect(await get("/device/2")).toMatchObject({ keyExpiryDisabled: false, expires: "2023-11-14T22:13:20Z" });
  });

  it.each([{}, { name: "" }, { name: null }])("follow the host name again after %j", async (body) => {
    await seed({ type: "node-put", node: node(3, { userId, name: "chosen", isNameFixed: true }) });
    expect((await post("/device/3/name", body)).status).toBe(200);
    expect((await get("/device/3")).name).toBe("host-3.tail.internal");
  });

  it("refuse names that are taken or no label", async () => {
    expect(await post("/device/1/name", { name: "node-2" })).toMatchObject({
      status: 409,
      json: { message: "name is already taken" },
    });
    for (const name of ["a b", "-a", "a.b", "x".repeat(64), "a.tail.internal.tail.internal", "ä"]) {
      expect((await post("/device/1/name", { name })).status).toBe(400);
    }
    expect((await get("/device/1")).name).toBe("node-1.tail.internal");
  });

  it("give tags: each once, sorted, and the device then belongs to nobody", async () => {
    expect((await post("/device/1/tags", { tags: ["tag:web", "tag:db", "tag:web"] })).text).toBe("{}");
    expect(await get("/device/1")).toMatchObject({ tags: ["tag:db", "tag:web"], user: "tagged-devices" });
  });

  it.each([["tag:unknown"], ["web"], ["tag:web", "tag:unknown"], [""]])("refuse the tags %s, %s", async (...tags) => {
    const wanted = tags.filter((tag) => tag !== undefined);
    const answer = await post("/device/1/tags", { tags: wanted });
    expect(answer.status).toBe(400);
    expect(answer.json.message).toMatch(/^requested tags \[.*\] are invalid or not permitted$/);
    expect((await get("/device/1")).tags).toBeUndefined();
  });

  it.each([{ tags: [] }, { tags: null }, {}])(
    "take the last tag away with %j: the device is the caller's and must log in again",
    async (body) => {
      expect((await post("/device/2/tags", body)).text).toBe("{}");
      const device = await get("/device/2");
      expect(device.user).toBe("admin-100@example.com");
      expect(device.tags).toBeUndefined();
      expect(Date.parse(device.expires)).toBeLessThanOrEqual(Date.now());
    },
  );

  it("leave an untagged device as it is when there is no tag to take away", async () => {
    await post("/device/1/tags", { tags: [] });
    expect(await get("/device/1")).toEqual(DEFAULT_FIELDS);
  });

  it.each([
    ["authorized", {}, "authorized"],
    ["authorized", { authorized: "yes" }, "authorized"],
    ["authorized", [], "body"],
    ["authorized", "null", "body"],
    ["name", { name: 7 }, "name"],
    ["tags", { tags: "tag:web" }, "tags"],
    ["tags", { tags: [7] }, "tags.0"],
    ["tags", { tags: Array(1_001).fill("tag:web") }, "tags"],
    ["key", { keyExpiryDisabled: 1 }, "keyExpiryDisabled"],
    ["routes", { routes: "10.0.0.0/8" }, "routes"],
    ["routes", { routes: Array(10_001).fill("10.0.0.0/8") }, "routes"],
  ])("name the field that is wrong: %s %j", async (action, body, field) => {
    const answer = await post(`/device/1/${action}`, body);
    expect(answer.status).toBe(400);
    expect(answer.json.message).toMatch(new RegExp(`^${field}: `));
  });

  it("pass over fields that nobody knows", async () => {
    expect((await post("/device/1/key", { keyExpiryDisabled: true, colour: "red" })).status).toBe(200);
  });
});

describe("routes of a device", () => {
  it.each(["1", stable(1)])("are listed in order of address for %s", async (id) => {
    expect(await get(`/device/${id}/routes`)).toEqual({
      advertisedRoutes: ["0.0.0.0/0", "1.2.0.0/16", "10.0.1.0/24", "::/0"],
      enabledRoutes: ["10.0.0.0/8"],
    });
    expect(await get("/device/2/routes")).toEqual({ advertisedRoutes: [], enabledRoutes: [] });
  });

  it("are replaced by exactly those given, advertised or not, numerically sorted", async () => {
    const routes = ["10.0.1.0/24", "fd00::/8", "1.2.0.0/16", "2.0.0.0/24", "10.0.0.0/8", "10.0.0.0/16", "2.0.0.0/24"];
    const answer = await post("/device/2/routes", { routes });
    expect(answer.json).toEqual({
      advertisedRoutes: [],
      enabledRoutes: ["1.2.0.0/16", "2.0.0.0/24", "10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "fd00::/8"],
    });
    expect(await get("/device/2/routes")).toEqual(answer.json);
    expect((await post("/device/2/routes", { routes: ["0.0.0.0/0"] })).json.enabledRoutes).toEqual(["0.0.0.0/0"]);
  });

  it.each([{ routes: [] }, { routes: null }, {}])("are emptied by %j", async (body) => {
    expect((await post("/device/1/routes", body)).json.enabledRoutes).toEqual([]);
  });

  it.each([undefined, " "])("stay when the body is missing: %j", async (body) => {
    const before = await get("/device/1/routes");
    const answer = await post("/device/1/routes", body);
    expect([answer.status, answer.json]).toEqual([400, { message: "body: JSON is required" }]);
    expect(await get("/device/1/routes")).toEqual(before);
  });

  it.each([
    ["10.0.0.1/8", "10.0.0.1/8 has host bits set; use 10.0.0.0/8"],
    ["fd00::1/8", "fd00::1/8 has host bits set; use fd00::/8"],
    ["10.0.0.0", "a route must be a prefix such as 10.0.0.0/16"],
    ["10.0.0.0/33", "a route must be a prefix such as 10.0.0.0/16"],
    ["", "a route must be a prefix such as 10.0.0.0/16"],
  ])("refuse %s and keep what was", async (route, message) => {
    const answer = await post("/device/1/routes", { routes: ["1.2.0.0/16", route] });
    expect([answer.status, answer.json]).toEqual([400, { message }]);
    expect((await get("/device/1/routes")).enabledRoutes).toEqual(["10.0.0.0/8"]);
  });
});
