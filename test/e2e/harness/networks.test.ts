// The helper that makes networks of namespaces.
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execute, mustExecute } from "../support/command.ts";
import { createNetwork, type Namespace, type Network } from "../support/netns.ts";
import { startWebServer } from "../support/web-server.ts";

let network: Network;
let one: Namespace;
let two: Namespace;

beforeAll(async () => {
  network = await createNetwork();
  [one, two] = await Promise.all([
    network.attach("one", { hosts: { "control.test": network.hostAddress }, nameservers: ["192.0.2.53"] }),
    network.attach("two"),
  ]);
});

afterAll(async () => {
  await network?.close();
});

describe("a network", () => {
  it("connects namespaces with each other", async () => {
    const server = await startWebServer({ namespace: one, body: "from one" });
    expect(await two.fetch(server.url)).toEqual({ status: 200, body: "from one" });
    expect((await two.fetch(`${server.url}/from`)).body).toBe(two.address);
    await server.stop();
  });

  it("connects namespaces with a server on the host's address", async () => {
    const server = createServer((_, response) => response.end("from the host"));
    await new Promise<void>((done) => server.listen(0, network.hostAddress, done));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    expect((await one.fetch(`http://control.test:${port}/`)).body).toBe("from the host");
    server.close();
  });

  it("leads nowhere else", async () => {
    const { stderr } = await one.exec(["ip", "route", "get", "192.0.2.1"]);
    expect(stderr).toMatch(/unreachable/);
    expect((await one.exec(["ip", "route"])).stdout.trim().split("\n")).toHaveLength(1);
  });

  it("can be joined by a namespace of another network, which then routes between them", async () => {
    const inner = await createNetwork();
    const server = await inner.attach("server");
    const onInner = await inner.join(one);
    await one.enableForwarding();
    await mustExecute(two.command(["ip", "route", "add", inner.subnet, "via", one.address]));
    await mustExecute(server.command(["ip", "route", "add", network.subnet, "via", onInner]));
    const web = await startWebServer({ namespace: server, body: "behind" });
    expect((await two.fetch(`${web.url}/from`)).body).toBe(two.address);
    await web.stop();
    await inner.close();
  });
});

describe("a namespace", () => {
  it("has hosts and resolvers of its own", async () => {
    expect(await one.lookup("control.test")).toEqual([network.hostAddress]);
    await expect(two.lookup("control.test")).rejects.toThrow(/ENOTFOUND|EAI_AGAIN/);
    expect((await one.exec(["cat", "/etc/resolv.conf"])).stdout).toBe("nameserver 192.0.2.53\n");
    expect((await two.exec(["cat", "/etc/resolv.conf"])).stdout).toBe("");
  });

  it("lets its programs replace files of /etc without touching the host's", async () => {
    const script = "echo '# mine' > /etc/new && mv /etc/new /etc/resolv.conf && touch /etc/fs-test-backup";
    await mustExecute(one.command(["sh", "-c", script]));
    expect((await one.exec(["cat", "/etc/resolv.conf"])).stdout).toBe("# mine\n");
    expect(existsSync("/etc/fs-test-backup")).toBe(false);
  });
});

describe("after a crash", () => {
  it("removes what a run that no longer lives has left, with its processes", async () => {
    const dead = `fs-${(4_194_303).toString(36)}`;
    await mustExecute(["ip", "link", "add", `${dead}-1`, "type", "bridge"]);
    await mustExecute(["ip", "netns", "add", `${dead}-1-old`]);
    await mustExecute(["sh", "-c", `ip netns exec ${dead}-1-old sleep 60 >/dev/null 2>&1 &`]);
    const next = await createNetwork();
    const left = (await execute(["ip", "netns"])).stdout + (await execute(["ip", "link"])).stdout;
    expect(left).not.toContain(dead);
    expect(left).toContain(next.bridge);
    await next.close();
    expect((await execute(["ip", "link"])).stdout).not.toContain(next.bridge);
  });
});
