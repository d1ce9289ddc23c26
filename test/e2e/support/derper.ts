// The real derper, for tests that need a relay other than ours: DERP over TLS with a certificate that it signs itself
// (or plain HTTP), and STUN, on one address. Loopback by default; in a namespace it takes that one's address.
import { join } from "node:path";
import { clientBinaries } from "../../clients/build.ts";
import { Child, type Exit } from "./child.ts";
import { freeLoopbackPort, freeUdpPort } from "./local-http.ts";
import type { Namespace } from "./netns.ts";
import { scratchDir } from "./run.ts";

/** How to start a relay. */
export interface DerperOptions {
  readonly namespace?: Namespace | undefined;
  /** Address to listen on; the namespace's, or 127.0.0.1. */
  readonly address?: string;
  /** UDP port for STUN, or false for none; a free one by default. */
  readonly stunPort?: number | false;
  /** Plain HTTP instead of TLS: native clients then need TS_DEBUG_USE_DERP_HTTP. */
  readonly plain?: boolean;
  /** Admission controller that is asked about each client (derper -verify-client-url). */
  readonly verifyClientUrl?: string;
  readonly args?: readonly string[];
}

/** A region of a DERP map (tailcfg.DERPRegion). */
export interface DerpRegion {
  readonly RegionID: number;
  readonly RegionCode: string;
  readonly RegionName: string;
  readonly Nodes: readonly Readonly<Record<string, unknown>>[];
}

/** A running relay. */
export interface Derper {
  /** Base URL of its HTTP side. */
  readonly url: string;
  readonly address: string;
  readonly port: number;
  readonly stunPort: number | undefined;
  /** Its certificate in PEM, for programs that insist on checking it (NODE_EXTRA_CA_CERTS). */
  readonly certificatePath: string | undefined;
  readonly child: Child;
  /** This relay as a region of a DERP map; its certificate is not checked. */
  region(regionId?: number, code?: string): DerpRegion;
  stop(): Promise<Exit>;
}

/** Starts a relay and waits until it answers. */
export async function startDerper(options: DerperOptions = {}): Promise<Derper> {
  const { namespace, plain = false } = options;
  const address = options.address ?? namespace?.address ?? "127.0.0.1";
  const port = await freeLoopbackPort();
  const stunPort = options.stunPort === false ? undefined : (options.stunPort ?? (await freeUdpPort()));
  const dir = scratchDir("derper");
  const child = new Child({
    name: "derper",
    namespace,
    env: { HOME: dir },
    command: [
      (await clientBinaries()).current.derper,
      `-a=${address}:${port}`,
      `-c=${join(dir, "derper.json")}`,
      "-http-port=-1",
      ...(plain ? [] : ["-certmode=manual", `-certdir=${dir}`, `-hostname=${address}`]),
      ...(stunPort === undefined ? ["-stun=false"] : [`-stun-port=${stunPort}`]),
      ...(options.verifyClientUrl ? [`-verify-client-url=${options.verifyClientUrl}`] : []),
      ...(options.args ?? []),
    ],
  });
  await child.until("listens", () => child.logLines(/derper: serving on /).length > 0);
  return {
    url: `${plain ? "http" : "https"}://${address}:${port}`,
    address,
    port,
    stunPort,
    certificatePath: plain ? undefined : join(dir, `${address}.crt`),
    child,
    region: (regionId = 900, code = "test") => ({
      RegionID: regionId,
      RegionCode: code,
      RegionName: `Test relay ${code}`,
      Nodes: [
        {
          Name: `${regionId}a`,
          RegionID: regionId,
          HostName: address,
          IPv4: address,
          IPv6: "none",
          DERPPort: port,
          STUNPort: stunPort ?? -1,
          InsecureForTests: true,
        },
      ],
    }),
    stop: () => child.stop(),
  };
}
