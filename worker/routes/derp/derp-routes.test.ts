import { expect, test } from "vitest";
import { derpRoutes } from "./derp-routes.ts";

/** One tailnet, and a relay that only tells what reached it. */
const env = {
  TAILNET: { getByName: () => ({ id: { toString: () => "tailnet-id" } }) },
  DERP_REGION: {
    getByName: (name: string) => ({
      fetch: (request: Request) =>
        new Response([name, new URL(request.url).pathname, request.headers.get("flarescale-tailnet-id")].join(" ")),
    }),
  },
} as never;

function ask(path: string, init?: RequestInit): Promise<Response> {
  return Promise.resolve(derpRoutes.request(path, init, env));
}

test("hands a WebSocket upgrade to the object of the region, with the id of the tailnet and no other", async () => {
  const response = await ask("/derp", { headers: { upgrade: "WebSocket", "flarescale-tailnet-id": "forged" } });
  expect(await response.text()).toBe("900 /derp tailnet-id");
});

test.each([undefined, "DERP"])("answers an upgrade to %s with 426 and a text", async (upgrade) => {
  const response = await ask("/derp", upgrade === undefined ? {} : { headers: { upgrade } });
  expect(response.status).toBe(426);
  expect(response.headers.get("upgrade")).toBe("websocket");
  expect(await response.text()).toContain("gateway");
});

test.each(["/derp/probe", "/derp/latency-check"])("answers %s to GET and HEAD from any origin", async (path) => {
  for (const method of ["GET", "HEAD"]) {
    const response = await ask(path, { method });
    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
  }
  for (const method of ["POST", "PUT", "DELETE"]) expect((await ask(path, { method })).status).toBe(405);
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
