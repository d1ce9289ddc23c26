// Tailscale SSH: the server inside tailscaled decides by our policy, and asks us in check mode. The client is
// `tailscale ssh`, which runs OpenSSH and trusts the host keys alone that our map shows it.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { Browser } from "./support/browser.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { createNetwork, type Network } from "./support/netns.ts";
import { type SSHSession, startSSH } from "./support/ssh-session.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { until } from "./support/until.ts";

const command = "echo out-$((40 + 2)); exit 7";
const ran = { code: 7, stdout: ["out-42"] };

let network: Network;
let flarescale: Flarescale;
let laptop: Tailscaled;
let server: Tailscaled;
const sessions: SSHSession[] = [];

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  flarescale = await startFlarescale({ listen: network.hostAddress });
  [laptop, server] = await Promise.all([joined("laptop"), joined("server", ["--ssh"])]);
  await laptop.untilPeer("server", ({ sshHostKeys }) => (sshHostKeys ?? []).length > 0);
});

afterAll(async () => {
  for (const session of sessions) await session.stop();
  await flarescale?.stop();
  await network?.close();
});

async function joined(hostname: string, args: readonly string[] = []): Promise<Tailscaled> {
  const node = await Tailscaled.start({ hostname, mode: "tun", namespace: await network.attach(hostname) });
  await node.up(flarescale.controlUrl, [`--auth-key=${flarescale.authKey}`, ...args]);
  return node;
}

/** Replaces the SSH rules and waits until the server has them; an attribute goes with them to tell. */
async function setRules(mark: string, ...ssh: readonly object[]): Promise<void> {
  await flarescale.api.setPolicy({
    tagOwners: { "tag:recorder": [] },
    grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }],
    nodeAttrs: [{ target: ["*"], attr: [mark] }],
    ssh: ssh.map((rule) => ({ src: ["autogroup:member"], dst: ["autogroup:self"], ...rule })),
  });
  await server.untilStatus(`policy ${mark}`, ({ Self }) => Object.hasOwn(Self.CapMap ?? {}, mark));
}

async function login(user = "root"): Promise<SSHSession> {
  const session = await startSSH(laptop, `${user}@server`, command);
  sessions.push(session);
  return session;
}

/** The page that a held login names. */
async function pageOf(session: SSHSession): Promise<string> {
  return await session.until("the page to open", (log) => /visit: (http\S+\/ssh\/[0-9A-Za-z]{32})\s/.exec(log)?.[1]);
}

/** Signs in at a held login's page, which says nothing before, and returns what it asks then. */
async function signedIn(browser: Browser, page: string) {
  const stranger = await browser.open(page);
  expect(stranger.html).not.toContain("laptop");
  const asked = await browser.submit(stranger, "/login/", { value: flarescale.apiToken });
  for (const text of ["laptop", "server", "root"]) expect(asked.html).toContain(text);
  return asked;
}

describe("a rule that accepts", () => {
  it("lets its users run commands, and nobody else", async () => {
    await setRules("one", { action: "accept", users: ["root"] });
    expect(await (await login()).ended()).toMatchObject(ran);
    const refused = await (await login("daemon")).ended();
    expect(refused).toMatchObject({ code: 255, stdout: [] });
    expect(refused.log).toMatch(/tailnet policy does not permit you to SSH as user "daemon"/);
  });

  it("is gone with the policy that had it", async () => {
    await setRules("two");
    const refused = await (await login()).ended();
    expect(refused).toMatchObject({ code: 255, stdout: [] });
    expect(refused.log).toMatch(/not permit|policy/);
  });
});

describe("a rule that checks", () => {
  beforeAll(async () => {
    await setRules("three", { action: "check", users: ["root"], checkPeriod: "1h" });
  });

  it("refuses a login that its owner denies", async () => {
    const session = await login();
    const browser = new Browser();
    const page = await signedIn(browser, await pageOf(session));
    expect((await browser.submit(page, "/deny")).status).toBe(200);
    const refused = await session.ended();
    expect(refused).toMatchObject({ code: 255, stdout: [] });
    expect(refused.log).toContain("The login was denied.");
  });

  it("holds a login until its owner has signed in and confirmed it, and asks no more within the period", async () => {
    const session = await login();
    const browser = new Browser();
    const page = await signedIn(browser, await pageOf(session));
    expect(session.isRunning).toBe(true);
    expect((await browser.submit(page, "/approve")).status).toBe(200);
    expect(await session.ended()).toMatchObject(ran);

    const second = await (await login()).ended();
    expect(second).toMatchObject(ran);
    expect(second.log).not.toContain("visit:");
  });

  it("asks for every login under `always`", async () => {
    await setRules("four", { action: "check", users: ["root"], checkPeriod: "always" });
    for (const _ of [1, 2]) {
      const session = await login();
      const browser = new Browser();
      await browser.submit(await signedIn(browser, await pageOf(session)), "/approve");
      expect(await session.ended()).toMatchObject(ran);
    }
  });
});

describe("a rule whose sessions must be recorded", () => {
  /** What nodes have reported of sessions that no recorder took. */
  async function reports(): Promise<readonly unknown[]> {
    const query = `start=2020-01-01T00:00:00Z&end=${new Date(Date.now() + 60_000).toISOString()}`;
    const path = `/tailnet/-/logging/configuration?${query}&event=NODE.UPDATE.SSH_SESSION_RECORDING`;
    return (await flarescale.api.request<{ logs: unknown[] }>("GET", path)).logs;
  }

  it("lets nobody in without a recorder while it is enforced, and the audit log tells who tried", async () => {
    const rule = { action: "accept", users: ["root"], recorder: ["tag:recorder"] };
    await setRules("recorded", { ...rule, enforceRecorder: true });
    const refused = await (await login()).ended();
    expect(refused.stdout).toEqual(["This session must be recorded, but no recorder can be reached."]);
    expect(refused.code).not.toBe(ran.code);
    const told = await until("the report", async () => {
      const logs = await reports();
      return logs.length > 0 ? logs : undefined;
    });
    expect(told).toMatchObject([
      {
        origin: "NODE",
        actor: { type: "NODE", displayName: "server" },
        target: { name: "server", property: "SSH_SESSION_RECORDING" },
        new: { event: "rejected", source: { name: "laptop" }, sshUser: "root", localUser: "root" },
      },
    ]);
    await setRules("unrecorded", rule);
    expect(await (await login()).ended()).toMatchObject(ran);
  });
});
