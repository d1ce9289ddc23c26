import { Hono } from "hono";
import { afterEach, expect, it, vi } from "vitest";
import { onError } from "./on-error.ts";
import { requestId } from "./request-id.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it("answers a bug of ours with the request's id alone, under which the log has the rest", async () => {
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const app = new Hono();
  app.onError(onError);
  app.use(requestId);
  const bug = new Error("table nodes: tskey-auth-secret");
  app.get("/", () => {
    throw bug;
  });
  const response = await app.request("/");
  const id = response.headers.get("x-request-id") ?? "";
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect([response.status, await response.json()]).toEqual([
    500,
    { message: `internal error; the log has the details under ${id}` },
  ]);
  expect(log.mock.calls).toEqual([[`request ${id} failed:`, bug]]);
});
