// Examines one region of a DERP map as its clients use it, part by part; each finding has its measure, and what is slow is
// named with what it was compared to.

import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { DerpNode, DerpRegion } from "../../worker/protocol/control/derp-map.ts";
import { STUN_PORT } from "../../worker/protocol/stun.ts";
import { CHECK_TIMEOUT_MS, type Finding, ok, problem, skipped } from "../finding.ts";
import { openTls, RelayConnection, StepFailed } from "./relay-connection.ts";
import { askStun } from "./stun-query.ts";

const PACKET = new Uint8Array(1_400);
/** Packets under way, as many as a relay keeps for a receiver at least. */
const WINDOW = 32;
const MEASURE_MS = 2_000;
const PINGS = 10;

/** From where on a relay is called slow. */
export interface SlowLimits {
  /** Below this a relay is of little use for anything but text. */
  readonly bytesPerSecond: number;
  /** What it may take beyond one round trip of the network. */
  readonly beyondMs: number;
}

const SLOW: SlowLimits = { bytesPerSecond: 1_000_000, beyondMs: 100 };

/** Keys with which the relay may be used: of two nodes, or of none. */
export interface Access {
  readonly keys: readonly [Uint8Array, Uint8Array];
  /** Whether they are keys of nodes; a relay refuses others, as it should. */
  readonly areNodes: boolean;
  /** Limits other than those of users; for a machine that is busy with tests. */
  readonly slow?: SlowLimits;
}

/** Examines a region. */
export async function examineRegion(region: DerpRegion, access: Access): Promise<Finding[]> {
  const findings = await Promise.all(region.Nodes.filter((node) => node.STUNPort !== -1).map(checkStun));
  if (findings.length === 0) {
    findings.push(
      problem("stun", "the map names no STUN server here", "Run flarescale stun, or clients find no direct paths."),
    );
  }
  const relay = region.Nodes.find((node) => node.STUNOnly !== true);
  if (relay === undefined) return findings;
  return [...findings, ...(await checkHttps(relay, access.slow)), ...(await checkRelay(relay, access))];
}

async function checkStun(node: DerpNode): Promise<Finding> {
  const check = `stun ${node.Name}`;
  const isIPv4 = node.IPv4 !== "none" && isIP(node.HostName) !== 6;
  const host = (isIPv4 ? node.IPv4 : node.IPv6) || node.HostName;
  const port = node.STUNPort || STUN_PORT;
  const answer = await askStun(host, port, isIPv4 ? 4 : 6);
  if (answer !== undefined) return ok(check, `${inMs(answer.ms)}; we are seen at ${answer.seenAt}`);
  return problem(
    check,
    `no answer from UDP port ${port}`,
    "Start flarescale stun there and open the port; or a firewall here drops UDP, and then all traffic is relayed.",
  );
}

/** The probe that clients use where no UDP passes. */
async function checkHttps(node: DerpNode, { beyondMs } = SLOW): Promise<Finding[]> {
  const check = `https ${node.Name}`;
  try {
    const { socket, connect, tls } = await openTls(node);
    const startedAt = performance.now();
    socket.write(`GET /derp/latency-check HTTP/1.1\r\nHost: ${node.HostName}\r\nConnection: close\r\n\r\n`);
    socket.setTimeout(CHECK_TIMEOUT_MS, () => socket.destroy());
    let head = "";
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      head += chunk.toString("latin1");
      if (head.includes("\r\n")) break;
    }
    socket.destroy();
    const ms = performance.now() - startedAt;
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    if (!(status < 300)) {
      return [problem(check, `GET /derp/latency-check answers ${status || "nothing"}`, "Look at the relay's log.")];
    }
    const detail = `connect ${inMs(connect)}, TLS ${inMs(tls)}, answer ${inMs(ms)}`;
    if (ms <= connect + beyondMs) return [ok(check, detail)];
    return [problem(check, `slow: ${detail}`, "The network is not it: what is behind the gateway answers late.")];
  } catch (error) {
    return [failed(check, error)];
  }
}

async function checkRelay(node: DerpNode, { keys, areNodes, slow }: Access): Promise<Finding[]> {
  const check = `relay ${node.Name}`;
  const connections: RelayConnection[] = [];
  try {
    for (const key of keys) connections.push(await RelayConnection.open(node, key));
    const [one, two] = connections as [RelayConnection, RelayConnection];
    const { upgrade, login } = one.steps;
    const findings = [ok(check, `upgrade ${inMs(upgrade)}, login ${inMs(login)}`)];
    if (!areNodes) findings.push(ok(`admission ${node.Name}`, "it admits every key: anybody may use it"));
    return [...findings, await checkPing(node, one, slow), await checkThroughput(node, one, two, slow)];
  } catch (error) {
    if (!areNodes && error instanceof StepFailed && error.step === "login") {
      const rest = "latency inside and throughput need a login: give --login-server and --auth-key";
      return [ok(check, "it is a relay, and admits no stranger"), skipped(`throughput ${node.Name}`, rest)];
    }
    return [failed(check, error)];
  } finally {
    for (const connection of connections) connection.close();
  }
}

async function checkPing(node: DerpNode, connection: RelayConnection, { beyondMs } = SLOW): Promise<Finding> {
  const times: number[] = [];
  for (let n = 0; n < PINGS; n++) times.push(await connection.ping());
  times.sort((a, b) => a - b);
  const median = times[PINGS / 2] ?? 0;
  const { connect } = connection.steps;
  const detail = `${inMs(median)} (worst ${inMs(times.at(-1) ?? 0)}); the network alone takes ${inMs(connect)}`;
  if (median <= connect + beyondMs) return ok(`ping ${node.Name}`, detail);
  return problem(`ping ${node.Name}`, `slow: ${detail}`, "The relay itself, or what is behind its gateway, is slow.");
}

/** Packets from one connection to the other, so many under way at a time. */
async function checkThroughput(
  node: DerpNode,
  from: RelayConnection,
  to: RelayConnection,
  { bytesPerSecond } = SLOW,
): Promise<Finding> {
  let bytes = 0;
  to.onPacket = (length) => {
    bytes += length;
    from.send(to.publicKey, PACKET);
  };
  for (let n = 0; n < WINDOW; n++) from.send(to.publicKey, PACKET);
  const startedAt = performance.now();
  await sleep(MEASURE_MS);
  to.onPacket = () => {};
  const perSecond = (1_000 * bytes) / (performance.now() - startedAt);
  const check = `throughput ${node.Name}`;
  const detail = `${(perSecond / 1e6).toFixed(1)} MB/s with ${WINDOW} packets under way`;
  if (perSecond >= bytesPerSecond) return ok(check, detail);
  if (bytes === 0) return problem(check, "no packet came through", "Both ends are logged in: look at the relay's log.");
  return problem(
    check,
    `slow: ${detail}`,
    "Compare with the ping: a long way makes it slow, else the relay's limits do.",
  );
}

const ADVICE: Readonly<Record<StepFailed["step"], string>> = {
  connect: "Start the gateway there, open the port, or correct the DERP map.",
  tls: "The certificate must be valid for the name, or the one that the map pins.",
  upgrade: "Something in front removes the Upgrade header, or the gateway cannot reach the Worker.",
  login: "The relay refuses the node's key, or its Worker does not answer.",
};

function failed(check: string, error: unknown): Finding {
  if (!(error instanceof StepFailed)) throw error;
  return problem(check, `${error.step}: ${error.message}`, ADVICE[error.step]);
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}
