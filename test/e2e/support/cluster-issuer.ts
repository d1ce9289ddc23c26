// The part of a Kubernetes API server that tells of the keys by which service accounts' tokens are signed: over TLS with
// an authority of its own, for callers with a token. Keys are rotated as an administrator would do it.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { generate } from "selfsigned";
import { scratchDir } from "./run.ts";

/** Name of the issuer, at which nothing answers. */
export const CLUSTER_ISSUER = "https://kubernetes.default.svc.cluster.local";

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

/** A running issuer. */
export class ClusterIssuer {
  readonly origin: string;
  /** PEM file of the authority. */
  readonly caFile: string;
  /** File with the token of the service account that reads the keys. */
  readonly tokenFile: string;
  /** Requests that were answered so far. */
  readonly requests: string[] = [];
  readonly #server: https.Server;
  readonly #pairs = new Map<string, Pair>();
  #published: readonly string[] = [];

  private constructor(server: https.Server, folder: string) {
    this.#server = server;
    this.origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.caFile = join(folder, "ca.crt");
    this.tokenFile = join(folder, "token");
  }

  /** Starts one that publishes one key. */
  static async start(kid: string): Promise<ClusterIssuer> {
    const folder = scratchDir("cluster-issuer");
    const authority = await generate([{ name: "commonName", value: "cluster" }], {
      keyType: "ec",
      algorithm: "sha256",
      extensions: [{ name: "basicConstraints", cA: true, critical: true }],
    });
    const leaf = await generate([{ name: "commonName", value: "apiserver" }], {
      keyType: "ec",
      algorithm: "sha256",
      ca: { key: authority.private, cert: authority.cert },
      extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
    });
    writeFileSync(join(folder, "ca.crt"), authority.cert);
    writeFileSync(join(folder, "token"), "reader\n");
    const server = https.createServer({ cert: leaf.cert, key: leaf.private });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const issuer = new ClusterIssuer(server, folder);
    await issuer.publish(kid);
    server.on("request", (request, response) => {
      void issuer.#answer(request.url ?? "", request.headers.authorization).then(({ status, body }) => {
        issuer.requests.push(request.url ?? "");
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
    return issuer;
  }

  /** Publishes these keys and no others; new ones are made. */
  async publish(...kids: string[]): Promise<void> {
    for (const kid of kids) {
      if (!this.#pairs.has(kid)) this.#pairs.set(kid, await generateKeyPair("RS256", { extractable: true }));
    }
    this.#published = kids;
  }

  /** The published key set. */
  async keySet(): Promise<{ keys: object[] }> {
    const jwk = async (kid: string) => ({
      use: "sig",
      ...(await exportJWK((this.#pairs.get(kid) as Pair).publicKey)),
      kid,
      alg: "RS256",
    });
    return { keys: await Promise.all(this.#published.map(jwk)) };
  }

  /** A token of a service account, signed by a key that need not be published. */
  async token(kid: string, account: string, audience: string): Promise<string> {
    return await new SignJWT({})
      .setProtectedHeader({ alg: "RS256", kid })
      .setIssuer(CLUSTER_ISSUER)
      .setSubject(`system:serviceaccount:${account}`)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime("10m")
      .sign((this.#pairs.get(kid) as Pair).privateKey);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(path: string, authorization: string | undefined): Promise<{ status: number; body: object }> {
    if (authorization !== "Bearer reader") return { status: 403, body: { kind: "Status", reason: "Forbidden" } };
    // The address in the document is of the control plane's own network, where no pod can go.
    const document = { issuer: CLUSTER_ISSUER, jwks_uri: "https://192.0.2.1:6443/openid/v1/jwks" };
    if (path === "/.well-known/openid-configuration") return { status: 200, body: document };
    return path === "/openid/v1/jwks" ? { status: 200, body: await this.keySet() } : { status: 404, body: {} };
  }
}
