// Sets the scene of the crash tests: a network, both parts of flarescale, real clients in namespaces, and the writers.
import { createNetwork } from "../netns.ts";
import { Tailscaled } from "../tailscaled.ts";
import { Parts } from "./parts.ts";
import type { CrashScene } from "./rounds.ts";
import { joined, startWriters } from "./writers.ts";

/** A scene, to be closed. */
export interface OpenScene extends CrashScene {
  close(): Promise<void>;
}

/** Starts everything and waits until all clients run. */
export async function openCrashScene(clientCount: number): Promise<OpenScene> {
  const network = await createNetwork();
  const parts = await Parts.start(network.hostAddress);
  const clients: Tailscaled[] = [];
  for (let n = 1; n <= clientCount; n++) {
    const hostname = `client-${n}`;
    const client = await Tailscaled.start({ hostname, namespace: await network.attach(hostname) });
    await client.up(parts.controlUrl, [`--auth-key=${parts.authKey}`]);
    clients.push(client);
  }
  const writers = await startWriters(parts);
  (await joined(parts, "herald", "worker")).disconnect();
  const herald = await parts.api.deviceCalled("herald");
  const close = async () => {
    await Promise.all(clients.map((client) => client.stop()));
    await parts.stop();
    await network.close();
  };
  return { parts, clients, writers, herald, close };
}
