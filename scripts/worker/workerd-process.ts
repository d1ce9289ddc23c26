// A plain workerd that runs the Worker. The real binary is started, not the launcher that its npm package offers: one
// process less, and signals arrive.
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import type { ProcessGroup } from "../process-group.ts";
import { DISK_NAME, SOCKET_NAME } from "./workerd-config.ts";

/** Where and with what workerd runs. */
export interface WorkerdOptions {
  /** The configuration file, absolute. */
  readonly config: string;
  /** Address to listen on, `host:port`; port 0 takes a free one. */
  readonly address: string;
  /** Folder of the Durable Objects' databases, absolute; made when missing. */
  readonly state: string;
  /** Values of the Worker's variables and secrets. */
  readonly vars: Readonly<Record<string, string>>;
}

/** The workerd binary that comes with wrangler, for this operating system and processor. */
export function workerdBinary(): string {
  const fromHere = createRequire(import.meta.url);
  const fromWrangler = createRequire(fromHere.resolve("wrangler/package.json"));
  return (fromWrangler("workerd") as { default: string }).default;
}

/** Starts workerd and resolves with its port when it listens. @throws when it ends before that. */
export async function startWorkerd(processes: ProcessGroup, options: WorkerdOptions): Promise<number> {
  await mkdir(options.state, { recursive: true });
  const line = await processes.start({
    name: "workerd",
    file: workerdBinary(),
    args: [
      "serve",
      "--control-fd=3",
      `--socket-addr=${SOCKET_NAME}=${options.address}`,
      `--directory-path=${DISK_NAME}=${options.state}`,
      options.config,
    ],
    env: options.vars,
    readyOn: "descriptor-3",
  });
  return (JSON.parse(line) as { port: number }).port;
}
