// A gateway on free loopback ports for tests, with a log that the test can read.
import { Gateway, type GatewayOptions, type Ports } from "../gateway/gateway.ts";
import type { Log, LogFields } from "../log.ts";

/** One event of the log. */
export interface LogEvent {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: LogFields;
}

/** A running gateway, its ports and what it logged. */
export interface TestGateway extends Ports {
  readonly gateway: Gateway;
  readonly httpPort: number;
  readonly events: readonly LogEvent[];
}

/** Starts a gateway before an upstream. */
export async function startTestGateway(
  upstream: URL,
  options: Partial<Pick<GatewayOptions, "upstreams" | "https" | "metrics" | "dialsPerSecond">> = {},
): Promise<TestGateway> {
  const events: LogEvent[] = [];
  const at =
    (level: keyof Log) =>
    (message: string, fields: LogFields = {}) => {
      events.push({ level, message, fields });
    };
  const log: Log = { info: at("info"), warn: at("warn"), error: at("error") };
  const upstreams = { fallback: upstream, hosts: new Map() };
  const gateway = new Gateway({ upstreams, listen: "127.0.0.1", httpPort: 0, dialsPerSecond: 1_000, log, ...options });
  const ports = await gateway.open();
  if (ports.httpPort === undefined) throw new Error("the plain port is not open");
  return { ...ports, httpPort: ports.httpPort, gateway, events };
}
