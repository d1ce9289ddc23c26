// `flarescale stun`: options to a running STUN server, signals to its end.
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Registry } from "prom-client";
import { STUN_PORT } from "../../worker/protocol/stun.ts";
import { type Command, type CommandHelp, EXIT_OK, parseInteger, parseOptions, UsageError } from "../command-line.ts";
import { keepHeapLean } from "../daemon/lean-heap.ts";
import {
  announceReady,
  DAEMON_OPTIONS,
  exitOnFailure,
  exitOnSecondSignal,
  nextSignal,
  openLog,
  readyFds,
} from "../daemon/lifetime.ts";
import { openMetrics, parseListenAddress } from "../daemon/metrics-server.ts";
import { collectProcessMetrics } from "../daemon/process-metrics.ts";
import { IN_TOTAL, PER_SOURCE, StunServer } from "./stun-server.ts";

const OPTIONS = {
  listen: { type: "list", value: "ADDR", help: "Address to listen on; every address of IPv4 and IPv6 when not given" },
  port: { type: "string", value: "PORT", default: String(STUN_PORT), help: "UDP port; 0 for any free one" },
  "source-rate": {
    type: "string",
    value: "N",
    default: String(PER_SOURCE.perSecond),
    help: "Answers per second to one IPv4 address or IPv6 /64; ten times as many may come at once",
  },
  "total-rate": {
    type: "string",
    value: "N",
    default: String(IN_TOTAL.perSecond),
    help: "Answers per second to all of them together",
  },
  "drain-seconds": { type: "string", value: "N", default: "5", help: "Time to go on answering after SIGTERM" },
  ...DAEMON_OPTIONS,
} as const;

const HELP: CommandHelp = {
  name: "stun",
  summary: "tell clients which address the world sees them at, over UDP",
  description: [
    "A STUN server for the STUNPort of a DERP map. Clients need one to find direct paths and to measure which relay is",
    "near; without any they wait three seconds for UDP at every start. It keeps no state and answers Tailscale clients",
    "only, never with more bytes than a tenth above the question. A machine with several addresses needs --listen for",
    'each, or answers may leave from the wrong one. "flarescale gateway --stun-port 3478" runs it beside a gateway.',
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "flarescale stun",
    "flarescale stun --listen 203.0.113.5 --listen 2001:db8::5 --metrics-listen 127.0.0.1:9091",
  ],
  exitCodes: ["ended by SIGTERM or SIGINT", "could not start, or failed", "the command line makes no sense"],
};

/** The command. */
export const stunCommand: Command = { help: HELP, run };

async function run(argv: readonly string[]): Promise<number> {
  const values = parseOptions(OPTIONS, argv, process.env);
  const drainSeconds = parseInteger("drain-seconds", values["drain-seconds"], 0, 3_600);
  const fds = readyFds(values);
  const metricsAt = values["metrics-listen"] && parseListenAddress("metrics-listen", values["metrics-listen"]);
  const log = openLog(values["log-format"]);
  exitOnFailure(log);
  keepHeapLean();
  const registry = new Registry();
  collectProcessMetrics(registry);
  const server = new StunServer({ ...serverOptions(values), registry, log });
  let isDraining = false;
  const signalled = nextSignal();
  const port = await server.open();
  const metrics = metricsAt ? await openMetrics(metricsAt, { registry, log, isReady: () => !isDraining }) : undefined;
  const metricsPort = metrics?.port;
  log.info("listening", { port, metricsPort, pid: process.pid });
  announceReady(fds, { port, metricsPort });
  const signal = await signalled;
  isDraining = true;
  log.info("draining", { signal, seconds: drainSeconds });
  exitOnSecondSignal(log);
  await sleep(drainSeconds * 1_000);
  server.close();
  const { ipv4, ipv6 } = server.counts;
  log.info("drained", { signal, answered: ipv4.answered + ipv6.answered });
  return EXIT_OK;
}

function serverOptions(values: {
  readonly listen: readonly string[];
  readonly port: string;
  readonly "source-rate": string;
  readonly "total-rate": string;
}) {
  const wrong = values.listen.find((address) => isIP(address) === 0);
  if (wrong !== undefined) throw new UsageError(`--listen must be an IP address, not "${wrong}"`);
  const perSecond = parseInteger("source-rate", values["source-rate"], 1, 100_000);
  const total = parseInteger("total-rate", values["total-rate"], 1, 1_000_000);
  return {
    addresses: values.listen,
    port: parseInteger("port", values.port, 0, 65_535),
    perSource: { perSecond, burst: 10 * perSecond },
    inTotal: { perSecond: total, burst: total },
  };
}
