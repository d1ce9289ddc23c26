import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import tls from "node:tls";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { connectRaw, connectTls, controlRequest } from "../testing/raw-client.ts";
import { startStandIn } from "../testing/stand-in-worker.ts";
import { selfSignedCertificate } from "./certificate.ts";

const BIN = fileURLToPath(new URL("../bin/flarescale.mjs", import.meta.url));
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Started {
  readonly child: ChildProcess;
  readonly log: Promise<string>;
  readonly exit: Promise<[code: number | null, signal: string | null]>;
}

function start(argv: readonly string[], env: Record<string, string> = {}): Started {
  const child = spawn(process.execPath, [BIN, "gateway", ...argv], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  cleanUps.push(() => child.kill("SIGKILL"));
  return {
    child,
    log: text(child.stderr as Readable),
    exit: once(child, "exit") as Promise<[number | null, string | null]>,
  };
}

/** Waits until the log has a line with `words`. */
async function said(started: Started, words: string): Promise<void> {
  const lines = started.child.stderr as Readable;
  await new Promise<void>((resolve) => {
    let text = "";
    lines.on("data", function look(chunk: Buffer) {
      text += String(chunk);
      if (!text.includes(words)) return;
      lines.off("data", look);
      resolve();
    });
  });
}

interface Ready {
  httpPort: number;
  httpsPort: number;
  metricsPort?: number;
  certSha256: string;
  pid: number;
}

async function ready(started: Started, fd = 1): Promise<Ready> {
  const [line] = (await once(started.child.stdio[fd] as Readable, "data")) as [Buffer];
  return JSON.parse(String(line)) as Ready;
}

const PORTS = ["--listen", "127.0.0.1", "--http-port", "0", "--https-port", "0", "--json"];

describe("flarescale gateway", () => {
  it("prints one line when it listens, bridges on both ports, and drains on SIGTERM with its reasons", async () => {
    const worker = await startStandIn();
    cleanUps.push(() => worker.close());
    const started = start(["--upstream", worker.url.origin, ...PORTS, "--drain-seconds", "6", "--log-format", "json"]);
    const { httpPort, httpsPort, pid, certSha256 } = await ready(started);
    expect(pid).toBe(started.child.pid);
    expect(certSha256).toMatch(/^[0-9a-f]{64}$/);
    for (const client of [await connectRaw(httpPort), await connectTls(httpsPort)]) {
      client.send(controlRequest());
      expect(await client.head()).toMatch(/^HTTP\/1\.1 101 /);
      void client.rest().then(() => client.socket.end());
    }
    started.child.kill("SIGTERM");
    expect(await started.exit).toEqual([0, null]);
    const events = (await started.log)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.map(({ message }) => message)).toEqual(["listening", "draining", "drained"]);
    expect(events[1]).toMatchObject({ signal: "SIGTERM", bridges: 2, seconds: 6 });
    expect(events[2]).toMatchObject({ bridges: 2, drain: 2 });
  });

  it("takes its options from the environment and reports on another descriptor", async () => {
    const started = start(["--ready-fd", "3"], {
      FLARESCALE_UPSTREAM: "http://127.0.0.1:9",
      FLARESCALE_LISTEN: "127.0.0.1",
      FLARESCALE_HTTP_PORT: "0",
      FLARESCALE_HTTPS_PORT: "off",
      FLARESCALE_METRICS_LISTEN: "127.0.0.1:0",
    });
    const line = await ready(started, 3);
    expect(Object.keys(line).sort()).toEqual(["httpPort", "metricsPort", "pid"]);
    started.child.kill("SIGINT");
    expect(await started.exit).toEqual([0, null]);
  });

  it("keeps its certificate in the state folder and nothing else, through kill -9", async () => {
    const state = await mkdtemp(join(tmpdir(), "flarescale-gateway-"));
    const argv = ["--upstream", "http://127.0.0.1:9", ...PORTS, "--state", state, "--name", "gw.example"];
    const first = start(argv);
    const { certSha256 } = await ready(first);
    first.child.kill("SIGKILL");
    await first.exit;
    expect(await readdir(state)).toHaveLength(1);
    expect((await ready(start(argv))).certSha256).toBe(certSha256);
  });

  it("takes up a renewed certificate, and keeps the old one when the new one is broken", async () => {
    const folder = await mkdtemp(join(tmpdir(), "flarescale-gateway-"));
    const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const [old, renewed] = [await selfSignedCertificate(["a.example"]), await selfSignedCertificate(["a.example"])];
    await Promise.all([writeFile(certFile, old.cert), writeFile(keyFile, old.key)]);
    const started = start(["--upstream", "http://127.0.0.1:9", ...PORTS, "--tls-cert", certFile, "--tls-key", keyFile]);
    const { httpsPort, certSha256 } = await ready(started);
    expect(certSha256).toBe(old.sha256);
    const served = async () => {
      const client = await connectTls(httpsPort);
      const { fingerprint256 } = (client.socket as import("node:tls").TLSSocket).getPeerCertificate();
      client.socket.destroy();
      return fingerprint256.replaceAll(":", "").toLowerCase();
    };
    // Two SIGHUPs that follow each other become one: each waits until the gateway has said what came of the last.
    const refused = said(started, "certificate not renewed");
    await writeFile(certFile, "broken");
    started.child.kill("SIGHUP");
    await refused;
    expect(await served()).toBe(old.sha256);
    const renewal = said(started, "certificate renewed");
    await Promise.all([writeFile(certFile, renewed.cert), writeFile(keyFile, renewed.key)]);
    started.child.kill("SIGHUP");
    await renewal;
    expect(await served()).toBe(renewed.sha256);
  });

  it("shows each host the certificate that it was given for, by name, and takes up a renewed one of a host alone", async () => {
    const folder = await mkdtemp(join(tmpdir(), "flarescale-gateway-"));
    const write = async (name: string, { cert, key }: { cert: string; key: string }) => {
      await writeFile(join(folder, `${name}.key`), key);
      await writeFile(join(folder, `${name}.pem`), cert);
      return `${join(folder, `${name}.pem`)}:${join(folder, `${name}.key`)}`;
    };
    const make = (...names: string[]) => selfSignedCertificate(names);
    const [own, control, derp] = [
      await make("own.example"),
      await make("control.example"),
      await make("*.derp.example"),
    ];
    const [ownFiles, controlFiles, derpFiles] = [
      await write("own", own),
      await write("control", control),
      await write("derp", derp),
    ];
    const [certFile = "", keyFile = ""] = ownFiles.split(":");
    const hosts = ["--tls-host", `Control.example=${controlFiles}`, "--tls-host", `*.derp.example=${derpFiles}`];
    const given = ["--tls-cert", certFile, "--tls-key", keyFile, ...hosts];
    const started = start(["--upstream", "http://127.0.0.1:9", ...PORTS, ...given]);
    const { httpsPort } = await ready(started);
    /** The certificate that a client gets which checks it for a name and trusts one alone. */
    const trusted = async (servername: string, { cert: ca }: { cert: string }) => {
      const socket = tls.connect({ port: httpsPort, host: "127.0.0.1", servername, ca });
      await once(socket, "secureConnect");
      const sha256 = socket.getPeerCertificate().fingerprint256.replaceAll(":", "").toLowerCase();
      socket.destroy();
      return sha256;
    };
    expect(await trusted("control.example", control)).toBe(control.sha256);
    expect(await trusted("CONTROL.example", control)).toBe(control.sha256);
    expect(await trusted("fra.derp.example", derp)).toBe(derp.sha256);
    expect(await trusted("own.example", own)).toBe(own.sha256);
    await expect(trusted("a.fra.derp.example", own)).rejects.toThrow("does not match certificate's altnames");
    const client = await connectTls(httpsPort); // an address has no name
    const { fingerprint256 } = (client.socket as tls.TLSSocket).getPeerCertificate();
    expect(fingerprint256.replaceAll(":", "").toLowerCase()).toBe(own.sha256);
    client.socket.destroy();

    const refused = said(started, "certificate not renewed");
    await write("control", await make("elsewhere.example"));
    started.child.kill("SIGHUP");
    await refused;
    expect(await trusted("control.example", control)).toBe(control.sha256);
    const renewed = await make("control.example");
    const renewal = said(started, "certificate renewed");
    await write("control", renewed);
    started.child.kill("SIGHUP");
    await renewal;
    expect(await trusted("control.example", renewed)).toBe(renewed.sha256);
    expect(await trusted("fra.derp.example", derp)).toBe(derp.sha256);
  });

  it("refuses a host's certificate that is for another host, or is not there", async () => {
    const folder = await mkdtemp(join(tmpdir(), "flarescale-gateway-"));
    const { cert, key } = await selfSignedCertificate(["a.example"]);
    await Promise.all([writeFile(join(folder, "a.pem"), cert), writeFile(join(folder, "a.key"), key)]);
    const files = `${join(folder, "a.pem")}:${join(folder, "a.key")}`;
    const other = start(["--upstream", "http://127.0.0.1:9", ...PORTS, "--tls-host", `b.example=${files}`]);
    expect((await other.exit)[0]).toBe(1);
    expect(await other.log).toContain("a.pem is not for b.example");
    const absent = start(["--upstream", "http://127.0.0.1:9", ...PORTS, "--tls-host", "b.example=/no/b.pem:/no/b.key"]);
    expect((await absent.exit)[0]).toBe(1);
    expect(await absent.log).toContain("cannot use the certificate /no/b.pem");
  });

  it("ends at once on a second signal", async () => {
    const worker = await startStandIn();
    cleanUps.push(() => worker.close());
    const started = start(["--upstream", worker.url.origin, ...PORTS, "--drain-seconds", "600"]);
    const { httpPort } = await ready(started);
    const clients = await Promise.all(Array.from({ length: 5 }, () => connectRaw(httpPort)));
    for (const client of clients) {
      client.send(controlRequest());
      await client.head();
    }
    const draining = said(started, "draining");
    started.child.kill("SIGTERM");
    await draining;
    started.child.kill("SIGINT");
    expect((await started.exit)[0]).toBe(0);
  });

  it("says why it cannot start and exits with 1, or with 2 for a wrong command line", async () => {
    const taken = await startStandIn();
    cleanUps.push(() => taken.close());
    const busy = start([
      "--upstream",
      "http://127.0.0.1:9",
      "--listen",
      "127.0.0.1",
      "--http-port",
      String(taken.port),
      "--https-port",
      "off",
    ]);
    expect((await busy.exit)[0]).toBe(1);
    expect(await busy.log).toContain(`port ${taken.port}: another program has it`);
    for (const argv of [
      ["--upstream", "ftp://x"],
      ["--upstream", "http://x", "--http-port", "off", "--https-port", "off"],
      ["--upstream", "http://x", "--tls-cert", "cert.pem"],
      ["--upstream", "http://x", "--tls-host", "a.example=cert.pem"],
      ["--upstream", "http://x", "--tls-host", "a b=cert.pem:key.pem"],
      ["--upstream", "http://x", "--tls-host", "a=x:y", "--tls-host", "A=x:y"],
      ["--upstream", "http://x", "--drain-seconds", "soon"],
      ["--upstream", "http://x", "--log-format", "xml"],
    ]) {
      expect((await start(argv).exit)[0]).toBe(2);
    }
  });

  it("says that Node.js is too old and what to do when there is no newer one", async () => {
    // The launcher alone, away from any node_modules, believing that it runs on an old Node.js.
    const folder = await mkdtemp(join(tmpdir(), "flarescale-launcher-"));
    await cp(BIN, join(folder, "flarescale.mjs"));
    const old = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.1.0"})';
    const child = spawn(process.execPath, ["--import", old, join(folder, "flarescale.mjs"), "version"]);
    const [message, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    expect(code).toBe(1);
    expect(message).toContain('flarescale needs Node.js 22.18 or newer, this is 20.1.0; run "npm install" first');
  });

  it("hands over to the Node.js of the package when it runs on an old one", async () => {
    const old = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.1.0"})';
    const child = spawn(process.execPath, ["--import", old, BIN, "nonsense"]);
    const [message, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    expect(code).toBe(2);
    expect(message).toContain('there is no command "nonsense"');
  });
});
