// The helper that runs upstream's derper.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { describe, expect, it } from "vitest";
import { startDerper } from "../support/derper.ts";

async function statusOverTls(url: string, certificatePath: string): Promise<number | undefined> {
  const sent = request(url, { ca: readFileSync(certificatePath), agent: false }).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

describe("a relay", () => {
  it("answers probes over TLS with the certificate that it offers", async () => {
    const derper = await startDerper();
    expect(await statusOverTls(`${derper.url}/derp/probe`, derper.certificatePath ?? "")).toBe(200);
    expect(derper.region(7, "lab")).toMatchObject({
      RegionID: 7,
      RegionCode: "lab",
      Nodes: [{ RegionID: 7, IPv4: "127.0.0.1", DERPPort: derper.port, STUNPort: derper.stunPort }],
    });
    expect(await derper.stop()).toEqual({ code: 0, signal: null });
  });

  it("speaks plain HTTP and leaves out STUN when asked to", async () => {
    const derper = await startDerper({ plain: true, stunPort: false });
    expect((await fetch(`${derper.url}/derp/probe`)).status).toBe(200);
    expect(derper.region().Nodes[0]).toMatchObject({ STUNPort: -1 });
    await derper.stop();
  });
});
