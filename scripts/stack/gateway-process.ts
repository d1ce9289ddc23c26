// The gateway (agent/main.ts) as a process of the stack.
import path from "node:path";
import type { ProcessGroup } from "../process-group.ts";
import { ROOT } from "../worker/wrangler-settings.ts";

/** Where a gateway listens and what it leads to. Port 0 takes a free port. */
export interface GatewayOptions {
  /** Origin of the Worker. It may be unreachable at first. */
  readonly upstream: string;
  readonly listen: string;
  /** Name or address in the gateway's self-signed certificate. */
  readonly hostname: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** UDP port of its STUN server; null runs none. */
  readonly stunPort: number | null;
  /** Folder for its certificate. */
  readonly state: string;
}

/** What a gateway prints when it listens. */
export interface GatewayAddress {
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly stunPort?: number;
  /** SHA-256 of the DER form of its certificate, in hexadecimal. */
  readonly certSha256: string;
}

/** Starts a gateway and waits until it listens. @throws when it ends before that. */
export async function startGateway(processes: ProcessGroup, options: GatewayOptions): Promise<GatewayAddress> {
  const line = await processes.start({
    name: "gateway",
    file: process.execPath,
    args: [
      path.join(ROOT, "agent/main.ts"),
      "gateway",
      `--upstream=${options.upstream}`,
      `--listen=${options.listen}`,
      `--name=${options.hostname}`,
      "--name=localhost",
      "--name=127.0.0.1",
      `--http-port=${options.httpPort}`,
      `--https-port=${options.httpsPort}`,
      `--stun-port=${options.stunPort ?? "off"}`,
      `--state=${options.state}`,
      "--json",
      "--drain-seconds=0", // the Worker ends with it: there is nobody to hand connections over to
    ],
    readyOn: "stdout",
  });
  return JSON.parse(line) as GatewayAddress;
}
