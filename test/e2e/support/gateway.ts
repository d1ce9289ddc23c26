// One more gateway (agent/main.ts gateway) beside the one that flarescale starts, with its metrics, and the doctor.
import { resolve } from "node:path";
import { Child, type Exit } from "./child.ts";
import type { Output } from "./command.ts";
import { freeLoopbackPort } from "./local-http.ts";
import type { Namespace } from "./netns.ts";
import { scratchDir } from "./run.ts";

const agent = resolve(import.meta.dirname, "../../../agent/main.ts");

/** How to start a gateway. */
export interface GatewayOptions {
  /** Origin of the Worker. */
  readonly upstream: string;
  readonly listen: string;
  /** Ports; "off" for none. */
  readonly httpPort: number | "off";
  readonly httpsPort: number | "off";
  readonly namespace?: Namespace | undefined;
  readonly args?: readonly string[];
  /** Most descriptors that it may hold; as many as the machine allows when not given. */
  readonly descriptors?: number | undefined;
}

/** A running gateway. */
export interface Gateway {
  readonly child: Child;
  /** The value of a metric without its prefix, labels included: `bridges{kind="control"}`. */
  metric(name: string): Promise<number>;
  /** Ends it with SIGTERM: it drains. */
  stop(): Promise<Exit>;
  kill(): Promise<Exit>;
}

/** Starts a gateway and waits until it listens. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { listen, descriptors } = options;
  const metricsPort = await freeLoopbackPort();
  let isReady = false;
  const child = new Child({
    name: "gateway",
    namespace: options.namespace,
    command: [
      ...(descriptors === undefined ? [] : ["prlimit", `--nofile=${descriptors}:${descriptors}`]),
      process.execPath,
      agent,
      "gateway",
      `--upstream=${options.upstream}`,
      `--listen=${listen}`,
      `--http-port=${options.httpPort}`,
      `--https-port=${options.httpsPort}`,
      `--metrics-listen=${listen}:${metricsPort}`,
      `--name=${listen}`,
      `--state=${scratchDir("gateway")}`,
      "--json",
      ...(options.args ?? []),
    ],
    onLine: () => {
      isReady = true;
    },
  });
  await child.until("listens", () => isReady);
  return {
    child,
    metric: async (name) => {
      const text = await (await fetch(`http://${listen}:${metricsPort}/metrics`)).text();
      const line = text.split("\n").find((each) => each.startsWith(`flarescale_gateway_${name} `));
      return Number(line?.split(" ")[1] ?? 0);
    },
    stop: () => child.stop(45_000),
    kill: () => child.kill(),
  };
}

/** Runs the doctor in a namespace. */
export async function runDoctor(namespace: Namespace, loginServer: string): Promise<Output> {
  return namespace.exec([process.execPath, agent, "doctor", `--login-server=${loginServer}`], 60_000);
}
