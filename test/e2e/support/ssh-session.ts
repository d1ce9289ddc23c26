// One `tailscale ssh` with a command, that may wait for a person before it goes on.
import { join } from "node:path";
import { clientBinaries } from "../../clients/build.ts";
import { Child, type Exit } from "./child.ts";
import type { Tailscaled } from "./tailscaled.ts";

/** How a session ended. */
export interface SSHResult {
  /** The command's exit code, or 255 when the login failed. */
  readonly code: number | null;
  /** What the command printed, line by line. */
  readonly stdout: readonly string[];
  /** What the server's banner and the client itself said. */
  readonly log: string;
}

/** A running session. */
export interface SSHSession {
  readonly isRunning: boolean;
  /** Waits until `look` finds something in what banner and client have said so far. */
  until<T>(what: string, look: (log: string) => T | undefined): Promise<T>;
  /** Waits for its end. */
  ended(): Promise<SSHResult>;
  stop(): Promise<Exit>;
}

/** Starts a session on a node in a namespace; known hosts go to the node's own state folder. */
export async function startSSH(from: Tailscaled, destination: string, command: string): Promise<SSHSession> {
  const { tailscale } = (await clientBinaries()).current;
  const { namespace, stateDir } = from;
  const stdout: string[] = [];
  const child = new Child({
    name: "ssh",
    namespace,
    env: { HOME: stateDir },
    command: [tailscale, `--socket=${join(stateDir, "socket")}`, "ssh", destination, "-o", "BatchMode=yes", command],
    onLine: (line) => {
      stdout.push(line);
    },
  });
  return {
    get isRunning() {
      return child.isRunning;
    },
    until: async (what, look) => await child.until(what, () => look(child.log())),
    ended: async () => {
      const { code } = await child.exited;
      return { code, stdout, log: child.log() };
    },
    stop: () => child.kill(),
  };
}
