// The TLS certificate of a gateway (kubernetes.md 0.2, C.2): a given one, or a self-signed one. Clients of the control
// port accept any, because Noise proves the server; DERP clients accept a self-signed one that their DERPMap pins, which
// is why it is kept on disk and stays the same.
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";

/** A certificate ready for use. */
export interface Certificate {
  /** PEM, leaf first. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** Lower-case hex SHA-256 of the leaf's DER: the pin `sha256-raw:<this>` of a DERPMap. */
  readonly sha256: string;
  readonly expiresAt: Date;
}

const VALID_YEARS = 10;
/** A kept certificate is replaced when less than this is left of it. */
const RENEW_BEFORE_MS = 30 * 86_400_000;
const KEPT_FILE = "gateway-tls.pem";

/** Checks a certificate and its key. @throws Error that says what is wrong with them */
function parseCertificate(cert: string, key: string): Certificate {
  const leaf = new X509Certificate(cert);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error("the key does not belong to the certificate");
  return {
    cert,
    key,
    sha256: createHash("sha256").update(leaf.raw).digest("hex"),
    expiresAt: new Date(leaf.validTo),
  };
}

/** Reads a certificate and its key from PEM files. @throws Error that names the files */
export async function readCertificate(certFile: string, keyFile: string): Promise<Certificate> {
  try {
    return parseCertificate(await readFile(certFile, "utf8"), await readFile(keyFile, "utf8"));
  } catch (cause) {
    throw new Error(`cannot use the certificate ${certFile} with the key ${keyFile}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/**
 * The self-signed certificate for some names (DNS names and IP addresses). With a state folder it is kept there; it is
 * made anew only when it lacks a name, is about to expire or cannot be read.
 */
export async function selfSignedCertificate(
  names: readonly string[],
  stateFolder?: string,
  now = Date.now(),
): Promise<Certificate> {
  if (stateFolder === undefined) return await makeCertificate(names, now);
  const file = join(stateFolder, KEPT_FILE);
  const kept = await readKept(file);
  if (kept !== undefined && isUsable(kept, names, now)) return kept;
  const made = await makeCertificate(names, now);
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  // One file for both, put in place in one step: whoever reads it never sees a key without its certificate.
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, made.key + made.cert, { mode: 0o600 });
  await rename(temporary, file);
  return made;
}

async function readKept(file: string): Promise<Certificate | undefined> {
  try {
    const pem = await readFile(file, "utf8");
    return parseCertificate(pem, pem);
  } catch {
    return undefined; // absent, or damaged and of no use to anybody
  }
}

function isUsable(kept: Certificate, names: readonly string[], now: number): boolean {
  const leaf = new X509Certificate(kept.cert);
  const covers = (name: string) => (isIP(name) ? leaf.checkIP(name) : leaf.checkHost(name)) !== undefined;
  return kept.expiresAt.getTime() - now > RENEW_BEFORE_MS && names.every(covers);
}

async function makeCertificate(names: readonly string[], now: number): Promise<Certificate> {
  const notBeforeDate = new Date(now - 86_400_000); // clients with a slow clock
  const notAfterDate = new Date(notBeforeDate);
  notAfterDate.setFullYear(notAfterDate.getFullYear() + VALID_YEARS);
  const altNames = names.map((name) =>
    isIP(name) ? { type: 7 as const, ip: name } : { type: 2 as const, value: name },
  );
  const { generate } = await import("selfsigned"); // large, and needed once in ten years
  const made = await generate([{ name: "commonName", value: "flarescale gateway" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate,
    notAfterDate,
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames },
    ],
  });
  return parseCertificate(made.cert.endsWith("\n") ? made.cert : `${made.cert}\n`, made.private);
}
