import { describe, expect, test } from "vitest";
import { derpRoutes } from "./derp-routes.ts";

const KEY = `nodekey:${"ab".repeat(32)}`;

/** One tailnet that knows one node, and relays that only tell what reached them. */
const bindings = {
  TAILNET: { getByName: () => ({ whichMayUseRelay: async (keys: string[]) => keys.filter((key) => key === KEY) }) },
  DERP_REGION: {
    getByName: (name: string, options: { locationHint?: string }) => ({
      fetch: (request: Request) =>
        new Response(
          [
            name,
            options.locationHint,
            new URL(request.url).pathname,
            request.headers.get("flarescale-derp-region"),
          ].join(" "),
        ),
    }),
  },
};
const DERP_REGIONS = JSON.stringify([
  { id: 901, code: "fra", host: "derp-fra.example.com", locationHint: "weur" },
  { id: 902, code: "sin", host: "derp-sin.example.com" },
]);

function ask(path: string, init?: RequestInit, vars: Record<string, string> = {}): Promise<Response> {
  return Promise.resolve(derpRoutes.request(path, init, { ...bindings, ...vars }));
}

describe("an upgrade", () => {
  const upgrade = { upgrade: "WebSocket", "flarescale-derp-region": "forged" };

  test("goes to the one region of a deployment that names none, whatever the host", async () => {
    const response = await ask("/derp", { headers: { ...upgrade, host: "anything.example" } });
    expect(await response.text()).toBe("900  /derp 900");
  });

  test.each([
    [{ host: "derp-fra.example.com" }, "901 weur /derp 901"],
    [{ host: "DERP-SIN.example.com:8443" }, "902  /derp 902"],
    [{ host: "worker.example.com", "x-forwarded-host": "derp-sin.example.com" }, "902  /derp 902"],
    [{ host: "derp-fra.example.com", "x-forwarded-host": "elsewhere.example.com" }, "901 weur /derp 901"],
  ])("goes to the region that is meant by %j", async (headers, expected) => {
    const response = await ask("/derp", { headers: { ...upgrade, ...headers } }, { DERP_REGIONS });
    expect(await response.text()).toBe(expected);
  });

  test("under a name that belongs to none of several regions is refused", async () => {
    const response = await ask("/derp", { headers: { ...upgrade, host: "worker.example.com" } }, { DERP_REGIONS });
    expect([response.status, await response.text()]).toEqual([
      421,
      "no DERP region of this deployment has this host name\n",
    ]);
  });

  test.each([undefined, "DERP"])("to %s is answered with 426 and a text", async (protocol) => {
    const response = await ask("/derp", protocol === undefined ? {} : { headers: { upgrade: protocol } });
    expect(response.status).toBe(426);
    expect(response.headers.get("upgrade")).toBe("websocket");
    expect(await response.text()).toContain("gateway");
  });
});

describe.each(["/derp/probe", "/derp/latency-check"])("%s", (path) => {
  test("is answered to GET and HEAD from any origin, and tells which region answers", async () => {
    for (const method of ["GET", "HEAD"]) {
      const response = await ask(path, { method, headers: { host: "derp-sin.example.com" } }, { DERP_REGIONS });
      expect([response.status, await response.text()]).toEqual([200, ""]);
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      expect(response.headers.get("flarescale-derp-region")).toBe("902");
    }
  });

  test("is answered with 405 to other methods", async () => {
    for (const method of ["POST", "PUT", "DELETE"]) expect((await ask(path, { method })).status).toBe(405);
  });
});

describe("/bootstrap-dns", () => {
  const vars = {
    BOOTSTRAP_DNS: '{"control.example.com":["192.0.2.1","2001:db8::1"]}',
    DERP_MAP: JSON.stringify({
      Regions: {
        905: {
          RegionID: 905,
          RegionCode: "x",
          RegionName: "x",
          Nodes: [
            { Name: "a", RegionID: 905, HostName: "derp.example.com", IPv4: "192.0.2.9", IPv6: "none" },
            { Name: "b", RegionID: 905, HostName: "named-only.example.com" },
          ],
        },
      },
    }),
  };

  test("tells the addresses that the operator set and those of the DERP map", async () => {
    const response = await ask("/bootstrap-dns", {}, vars);
    expect(await response.json()).toEqual({
      "control.example.com": ["192.0.2.1", "2001:db8::1"],
      "derp.example.com": ["192.0.2.9"],
    });
    expect(response.headers.get("connection")).toBe("close");
  });

  test("tells only the wanted one if it is known, and all otherwise", async () => {
    const known = await ask("/bootstrap-dns?q=derp.example.com", {}, vars);
    expect(await known.json()).toEqual({ "derp.example.com": ["192.0.2.9"] });
    for (const q of ["unknown.example", "__proto__", "constructor"]) {
      const unknown = await ask(`/bootstrap-dns?q=${q}`, {}, vars);
      expect(Object.keys(await unknown.json<object>())).toHaveLength(2);
    }
  });
});

describe("/verify", () => {
  const verify = (body: string) => ask("/verify", { method: "POST", body });

  test.each([
    [KEY, true],
    [`nodekey:${"cd".repeat(32)}`, false],
  ])("says of %s: %s", async (NodePublic, Allow) => {
    const response = await verify(JSON.stringify({ NodePublic, Source: "203.0.113.5" }));
    expect([response.status, await response.json()]).toEqual([200, { Allow }]);
  });

  test.each(["", "[]", "null", '{"NodePublic":5}', '{"NodePublic":"nodekey:xyz"}', "{"])(
    "refuses the body %j",
    async (body) => {
      const response = await verify(body);
      expect([response.status, await response.json()]).toEqual([400, { message: "NodePublic must be a node key" }]);
    },
  );

  test("refuses a body that is too long", async () => {
    expect((await verify(JSON.stringify({ NodePublic: KEY, Source: "x".repeat(5000) }))).status).toBe(413);
  });
});

test.each(["a", "ts_derp.example-1:2", "x".repeat(64)])("echoes the challenge %s", async (challenge) => {
  const response = await ask("/generate_204", { headers: { "x-tailscale-challenge": challenge } });
  expect(response.status).toBe(204);
  expect(response.headers.get("x-tailscale-response")).toBe(`response ${challenge}`);
  expect(response.headers.get("cache-control")).toContain("no-store");
});

test.each([undefined, "", "x".repeat(65), "a b", "<script>", "é"])(
  "does not echo the challenge %j",
  async (challenge) => {
    const init = challenge === undefined ? {} : { headers: { "x-tailscale-challenge": challenge } };
    const response = await ask("/generate_204", init);
    expect(response.status).toBe(204);
    expect(response.headers.get("x-tailscale-response")).toBeNull();
  },
);
