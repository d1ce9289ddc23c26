// The examples of the S3 documentation ("Signature Calculations for the Authorization Header"), whose signatures are
// given there.
import { describe, expect, it } from "vitest";
import { utf8 } from "../../protocol/bytes.ts";
import { escapeKey, type S3Request, signS3 } from "./sign-s3.ts";

const NOW = Date.UTC(2013, 4, 24);
const credentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  region: "us-east-1",
};
const BUCKET = "https://examplebucket.s3.amazonaws.com";
const signatureOf = (request: Partial<S3Request> & { url: string }) => {
  const headers = signS3({ method: "GET", headers: {}, body: new Uint8Array(), ...request }, credentials, NOW);
  return /Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? "")?.[1];
};

describe("a signature", () => {
  it("of a GET with a header of its own", () => {
    const request = { url: `${BUCKET}/test.txt`, headers: { range: "bytes=0-9" } };
    expect(signatureOf(request)).toBe("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  });

  it("of a PUT with a body", () => {
    const request = {
      method: "PUT",
      url: `${BUCKET}/test%24file.text`,
      headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      body: utf8("Welcome to Amazon S3."),
    } as const;
    expect(signatureOf(request)).toBe("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  });

  it("of a query without a value, and of one with several", () => {
    expect(signatureOf({ url: `${BUCKET}/?lifecycle` })).toBe(
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
    expect(signatureOf({ url: `${BUCKET}/?max-keys=2&prefix=J` })).toBe(
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
  });

  it.each([
    ["/audit-logs/tailnet/a.json", "51f3b7a563c4c17b056cd46dcfb3ed29992d8ecf0955fd6cdadaed1ef8fdeef1"],
    [
      `/audit-logs/${escapeKey("tail net/(a+b)é/x~y.json")}`,
      "8c58f2559e065519238f62a3e96610747f84dd877486f8c1fdfa096c76aa36fd",
    ],
  ])("of a PUT of %s to a server with a port is as botocore 1.43 makes it", (path, signature) => {
    const request = {
      method: "PUT",
      url: `https://s3.example.com:9000${path}`,
      headers: { "content-type": "application/x-ndjson" },
      body: utf8("hello"),
    } as const;
    const other = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret/key+with=odd", region: "eu-central-1" };
    const { authorization } = signS3(request, other, Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(authorization).toMatch(new RegExp(`,Signature=${signature}$`));
  });

  it("names what it covers", () => {
    const { authorization } = signS3(
      { method: "PUT", url: `${BUCKET}/a`, headers: {}, body: utf8("x") },
      credentials,
      NOW,
    );
    expect(authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE\/20130524\/us-east-1\/s3\/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,/,
    );
  });
});

describe("a key in a path", () => {
  it.each([
    ["a/b-c_d.e~f", "a/b-c_d.e~f"],
    ["a b+c=d", "a%20b%2Bc%3Dd"],
    ["(é)!*'", "%28%C3%A9%29%21%2A%27"],
  ])("%s is %s", (key, escaped) => {
    expect(escapeKey(key)).toBe(escaped);
  });
});
