// Check mode of Tailscale SSH inside workerd: the destination's request waits, through evictions, for what a person
// decides at a browser.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { administrationOf, tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { fromUtf8 } from "../../worker/protocol/bytes.ts";
import { actorOf } from "../../worker/tailnet/entities/actor.ts";
import type { User } from "../../worker/tailnet/entities/user.ts";
import type { ControlClient } from "../support/control-client.ts";
import { Browser } from "./support/browser.ts";
import { device, evict, join, ownerWithToken } from "./support/tailnet.ts";

type Json = Record<string, unknown>;

let owner: User;
let token: string;
let laptop: number;
let destination: ControlClient;
let server: number;

const policyFile = (rule: Json) =>
  JSON.stringify({
    ssh: [{ action: "check", src: ["autogroup:member"], dst: ["autogroup:self"], users: ["ubuntu"], ...rule }],
  });

async function setPolicy(rule: Json): Promise<void> {
  const outcome = await administrationOf(env, actorOf(owner)).policyFile.set(policyFile(rule), "*");
  expect(outcome).toMatchObject({ ok: true });
}

const idOf = (first: Json) => Number((first.Node as Json).ID);

beforeAll(async () => {
  ({ user: owner, token } = await ownerWithToken());
  laptop = idOf((await join(device(1), "laptop")).first);
  const joined = await join(device(2), "server", { beforeSend: evict });
  destination = joined.client;
  server = idOf(joined.first);
});

const path = (from: number, to: number, more = "") => `/machine/ssh/action/${from}/to/${to}?local_user=ubuntu${more}`;

/** Asks as the destination. */
async function ask(where: string): Promise<{ status: number | undefined; body: Json }> {
  const stream = await destination.request("GET", where);
  const response = await destination.response(stream);
  return { status: response.status, body: JSON.parse(fromUtf8(response.body)) as Json };
}

/** A login that is held: its page, and what the destination asks next. */
async function heldLogin(): Promise<{ page: string; next: string }> {
  const { status, body } = await ask(path(laptop, server));
  expect(status).toBe(200);
  const page = /visit: https?:\/\/[^/]+(\/ssh\/[0-9A-Za-z]{32})\r\n$/.exec(String(body.message))?.[1];
  const next = new URL(String(body.holdAndDelegate).replace("$LOCAL_USER", "ubuntu"));
  expect(next.protocol).toBe("https:"); // clients ask over no other
  if (page === undefined) throw new Error(`no page in ${JSON.stringify(body)}`);
  return { page, next: next.pathname + next.search };
}

/** A stream that waits, and the promise of its answer. */
async function wait(next: string) {
  const stream = await destination.request("GET", next);
  await destination.response(await destination.request("GET", "/machine/whoami")); // the one before has arrived too
  return async () => JSON.parse(fromUtf8((await destination.response(stream)).body)) as Json;
}

describe("a login in check mode", () => {
  it("waits through evictions until its owner has signed in and confirmed it, then is remembered", async () => {
    await setPolicy({});
    const { page, next } = await heldLogin();
    const answer = await wait(next);
    await evict();

    const browser = new Browser();
    const stranger = await browser.get(page);
    expect(stranger.html).toContain("Sign in to confirm a login over SSH.");
    expect(stranger.html).not.toContain("server");
    expect((await browser.signIn({ token }, page)).headers.get("location")).toBe(page);
    const { html, formToken } = await browser.get(page);
    for (const text of ["laptop", "server", "ubuntu", `${page}/approve`, `${page}/deny`]) expect(html).toContain(text);
    await evict();
    expect((await browser.post(`${page}/approve`, { form_token: "0" })).status).toBe(403);
    expect((await browser.post(`${page}/approve`, { form_token: formToken })).status).toBe(200);
    expect(await answer()).toEqual({
      accept: true,
      allowAgentForwarding: true,
      allowLocalPortForwarding: true,
      allowRemotePortForwarding: true,
    });
    expect((await browser.get(page)).status).toBe(404);

    await evict();
    expect((await ask(path(laptop, server))).body).toMatchObject({ accept: true });
  });

  it("asks a person who signed in before the login to sign in again", async () => {
    await setPolicy({ checkPeriod: "always" });
    const browser = new Browser();
    await browser.signIn({ token }, (await heldLogin()).page);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2_000 });
    try {
      const { page } = await heldLogin();
      expect((await browser.get(page)).html).toContain("Sign in to confirm");
      const { formToken } = await browser.get(page);
      const refused = await browser.post(`${page}/approve`, { form_token: formToken });
      expect(refused.status).toBe(403);
      expect(refused.html).toContain("sign in again");
      await browser.signIn({ token }, page);
      expect((await browser.get(page)).html).toContain("Log in over SSH?");
    } finally {
      vi.useRealTimers();
    }
  });

  it("is refused when denied, and every login is asked under `always`", async () => {
    await setPolicy({ checkPeriod: "always" });
    const { page, next } = await heldLogin();
    const answer = await wait(next);
    const browser = new Browser();
    await browser.signIn({ token }, page);
    const { formToken } = await browser.get(page);
    expect((await browser.post(`${page}/deny`, { form_token: formToken })).status).toBe(200);
    expect(await answer()).toMatchObject({ reject: true, message: expect.stringContaining("denied") });
    await heldLogin();
  });

  it("is refused when nobody decides in time", async () => {
    await setPolicy({ checkPeriod: "always" });
    const { next } = await heldLogin();
    const answer = await wait(next);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 16 * 60_000 });
    try {
      expect(await runDurableObjectAlarm(tailnetFor(env))).toBe(true);
    } finally {
      vi.useRealTimers();
    }
    expect(await answer()).toMatchObject({ reject: true, message: expect.stringContaining("in time") });
  });

  it("is answered to its destination alone, and not when it is malformed", async () => {
    expect(await destination.response(await destination.request("GET", path(server, laptop)))).toMatchObject({
      status: 404,
    });
    for (const bad of [
      "/machine/ssh/action/",
      `${path(laptop, server)}${"x".repeat(300)}`,
      "/machine/ssh/action/1/to/x",
    ]) {
      expect(await destination.response(await destination.request("GET", bad))).toMatchObject({ status: 400 });
    }
    const posted = await destination.request("POST", path(laptop, server));
    expect((await destination.response(posted)).status).toBe(405);
  });
});
