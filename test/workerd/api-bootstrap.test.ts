// The first administrator: who may make one, and how often.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import worker from "../../worker/index.ts";
import { api, BOOTSTRAP_SECRET, ORIGIN } from "./support/api.ts";

const body = { loginName: "admin@example.com" };

describe("POST /bootstrap", () => {
  it.each([
    ["no header", {}],
    ["another secret", { authorization: "Bearer test-bootstrap-secreu" }],
    ["the beginning of the secret", { authorization: "Bearer test-bootstrap" }],
    ["an empty secret", { authorization: "Bearer " }],
  ])("refuses %s", async (_, headers) => {
    const answer = await api("/bootstrap", { body, headers });
    expect([answer.status, answer.json]).toEqual([401, { message: "bootstrap secret invalid" }]);
  });

  it.each([
    ["no login name", {}, "loginName: Invalid input: expected string, received undefined"],
    ["a number", { loginName: 7 }, "loginName: Invalid input: expected string, received number"],
    ["no address", { loginName: "admin" }, "a login name looks like an email address"],
    ["not JSON", "loginName=x", "Malformed JSON in request body"],
  ])("refuses %s and makes nothing", async (_, wrong, message) => {
    const answer = await api("/bootstrap", { body: wrong, token: BOOTSTRAP_SECRET });
    expect([answer.status, answer.json]).toEqual([400, { message }]);
  });

  it("is off while no secret is set, and says how to set it", async () => {
    const request = new Request(`${ORIGIN}/api/v2/bootstrap`, {
      method: "POST",
      headers: { authorization: "Bearer " },
      body: JSON.stringify(body),
    });
    const answer = await worker.fetch(request, { ...env, BOOTSTRAP_SECRET: "" });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toEqual({ message: expect.stringContaining("wrangler secret put BOOTSTRAP_SECRET") });
  });

  it("makes the owner once, with a token that works", async () => {
    const first = await api("/bootstrap", { body, token: BOOTSTRAP_SECRET });
    expect(first.status).toBe(200);
    expect(first.json).toEqual({
      apiToken: expect.stringMatching(/^tskey-api-k[0-9A-Za-z]{9,12}CNTRL-[0-9A-Za-z]{32}$/),
      user: {
        id: expect.stringMatching(/^u[0-9A-Za-z]+CNTRL$/),
        displayName: "admin",
        loginName: "admin@example.com",
        profilePicUrl: "",
        created: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        role: "owner",
      },
    });
    expect((await api("/tailnet/-/devices", { token: first.json.apiToken })).json).toEqual({ devices: [] });

    const second = await api("/bootstrap", { body: { loginName: "other@example.com" }, token: BOOTSTRAP_SECRET });
    expect([second.status, second.json]).toEqual([409, { message: "the first administrator exists already" }]);
  });

  it("is closed to whoever guesses for a while, and tells for how long", async () => {
    const headers = { authorization: "Bearer a-guess", "cf-connecting-ip": "203.0.113.77" };
    const statuses: number[] = [];
    let last = await api("/bootstrap", { body, headers });
    for (let i = 0; i < 200 && last.status === 401; i++) {
      statuses.push(last.status);
      last = await api("/bootstrap", { body, headers });
    }
    expect([last.status, Number(last.headers.get("retry-after"))]).toEqual([429, expect.any(Number)]);
    expect(last.json.message).toMatch(/^too many requests; try again in \d+ s$/);
    expect(statuses.length).toBeGreaterThan(2);
    // Others are not kept out by it.
    const elsewhere = { ...headers, "cf-connecting-ip": "203.0.113.78" };
    expect((await api("/bootstrap", { body, headers: elsewhere })).status).toBe(401);
  });
});
