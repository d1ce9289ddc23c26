// A short membership in the tailnet: the relay admits only its nodes, so that a whole check of it needs two, ephemeral
// ones, which leave when it is over. The first of them brings the DERP map that clients get.
import { randomBytes } from "node:crypto";
import { x25519 } from "@noble/curves/ed25519.js";
import { fromUtf8, toHex } from "../../worker/protocol/bytes.ts";
import { type DerpMap, parseDerpMap } from "../../worker/protocol/control/derp-map.ts";
import { nodeKeyOf } from "../../worker/protocol/keys.ts";
import { type ControlSession, openControlSession } from "../control/control-session.ts";
import { PROBE_VERSION } from "../control/noise-probe.ts";
import { decompressFrames } from "../control/zstd-frames.ts";
import { printable } from "../finding.ts";

/** A node of the tailnet for as long as the check takes. */
export interface Member {
  /** Of its node key; 32 raw bytes. */
  readonly privateKey: Uint8Array;
  /** The DERP map that it gets. @throws Error in words */
  derpMap(): Promise<DerpMap>;
  /** Logs out, which removes an ephemeral node. */
  leave(): Promise<void>;
}

/** Joins as an ephemeral node. @throws Error in words when the server refuses */
export async function join(loginServer: URL, authKey: string, hostname: string): Promise<Member> {
  const session = await openControlSession(loginServer);
  const privateKey = Uint8Array.from(randomBytes(32));
  const nodeKey = nodeKeyOf(x25519.getPublicKey(privateKey));
  const common = { Version: PROBE_VERSION, NodeKey: nodeKey, Hostinfo: { Hostname: hostname, OS: "linux" } };
  const answer = await session.post("/machine/register", { ...common, Auth: { AuthKey: authKey }, Ephemeral: true });
  const { Error: refusal, MachineAuthorized: isAuthorized } = JSON.parse(fromUtf8(answer)) as Record<string, unknown>;
  if (typeof refusal === "string" && refusal !== "") {
    throw new Error(`the control server refuses the auth key: ${printable(refusal)}`);
  }
  if (isAuthorized !== true) throw new Error("the node waits for approval; use a pre-approved auth key");
  return {
    privateKey,
    derpMap: () => derpMapOf(session, common),
    leave: async () => {
      await session.post("/machine/register", { ...common, Expiry: "2000-01-01T00:00:00Z" }).catch(() => {}); // it expires anyway
      session.close();
    },
  };
}

// [u32le length][zstd frames of JSON]
async function derpMapOf(session: ControlSession, common: object): Promise<DerpMap> {
  const discoKey = `discokey:${toHex(randomBytes(32))}`;
  const body = await session.post("/machine/map", {
    ...common,
    DiscoKey: discoKey,
    Stream: false,
    OmitPeers: true,
    ReadOnly: true,
    Compress: "zstd",
  });
  const { DERPMap: map } = JSON.parse(fromUtf8(decompressFrames(body.subarray(4)))) as { DERPMap?: unknown };
  const parsed = parseDerpMap(map);
  if (typeof parsed === "string") throw new Error(`the control server's DERP map is wrong: ${parsed}`);
  return parsed;
}
