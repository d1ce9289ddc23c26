import { describe, expect, it } from "vitest";
import { issuerAddress, issuerKeysCommand } from "./command.ts";

const none = {
  ...{ server: undefined, issuer: undefined, "issuer-address": undefined, "keys-address": undefined },
  ...{ "issuer-ca": undefined, "issuer-token": undefined, "client-id": undefined, "id-token": undefined },
  ...{ "client-secret": undefined, token: undefined, "metrics-listen": undefined },
  ...{ interval: "60", once: false, json: false, "log-format": "text" },
};
const account = "/var/run/secrets/kubernetes.io/serviceaccount";
const inCluster = {
  address: "https://kubernetes.default.svc",
  keysAddress: "https://kubernetes.default.svc/openid/v1/jwks",
  caFile: `${account}/ca.crt`,
  tokenFile: `${account}/token`,
};
const bare = { keysAddress: undefined, caFile: undefined, tokenFile: undefined };
const sso = "https://sso.internal/realm";

describe("where an issuer is reached", () => {
  it("is the API server in a cluster, whatever the issuer is called", () => {
    expect(issuerAddress(none, true)).toEqual({ issuer: undefined, ...inCluster });
    const issuer = "https://oidc.eks.example/id/1";
    expect(issuerAddress({ ...none, issuer }, true)).toEqual({ issuer, ...inCluster });
  });

  it("is the issuer itself elsewhere, or what was said", () => {
    expect(issuerAddress({ ...none, issuer: sso }, false)).toEqual({ issuer: sso, address: sso, ...bare });
    const address = "https://10.0.0.1:6443";
    expect(issuerAddress({ ...none, issuer: sso, "issuer-address": address }, false)).toEqual({
      issuer: sso,
      address,
      ...bare,
    });
  });

  it("gets nothing of the service account when it is not the API server", () => {
    expect(issuerAddress({ ...none, issuer: sso, "issuer-address": sso }, true)).toEqual({
      issuer: sso,
      address: sso,
      ...bare,
    });
  });
});

describe("flarescale issuer-keys refuses", () => {
  const server = "--server=https://control.example.com";
  const issuer = `--issuer=${sso}`;
  it.each([
    [[issuer, "--token=x"], /--server is needed/],
    [[server, "--token=x"], /--issuer is needed outside of a cluster/],
    [[server, "--issuer=http://sso.internal", "--token=x"], /--issuer must be an https URL/],
    [[server, issuer, "--issuer-address=sso.internal", "--token=x"], /--issuer-address must be an https URL/],
    [[server, issuer, "--keys-address=https://a:b@sso.internal", "--token=x"], /--keys-address must be an https URL/],
    [[server, issuer], /one of --client-id with --id-token/],
    [[server, issuer, "--token=x", "--client-secret=y"], /one of --client-id with --id-token/],
    [[server, issuer, "--client-id=x"], /--client-id and --id-token belong together/],
    [[server, issuer, "--token=x", "--interval=0"], /--interval must be a whole number from 1 to 86400/],
  ])("%j", async (argv, words) => {
    await expect(issuerKeysCommand.run(argv)).rejects.toThrow(words);
  });
});
