// Takes up a renewed certificate while the gateway runs (kubernetes.md C.2). A broken one is reported and the one in use
// stays.
import type { Log } from "../log.ts";
import type { Certificate } from "./certificate.ts";

/** What following a certificate needs. */
export interface CertificateSource {
  /** Reads the certificate as it is now. @throws Error when it cannot be used */
  readonly read: () => Promise<Certificate>;
  /** Puts a certificate in place. */
  readonly use: (certificate: Certificate) => void;
  /** SHA-256 of the certificate in use. */
  readonly inUse: string | undefined;
  /** The host that it is for; undefined: the gateway itself. */
  readonly host?: string;
  readonly log: Log;
}

/**
 * Returns a check that puts a changed certificate in place. Checks run one after another: of two at a time, the one
 * that read first could finish last and put the older certificate back.
 */
export function followCertificate({ read, use, inUse, host, log }: CertificateSource): () => Promise<void> {
  let current = inUse;
  const whose = host === undefined ? {} : { host };
  let last = Promise.resolve();
  const check = async () => {
    try {
      const certificate = await read();
      if (current === certificate.sha256) return;
      use(certificate);
      current = certificate.sha256;
      log.info("certificate renewed", { ...whose, certSha256: certificate.sha256 });
    } catch (error) {
      log.warn("certificate not renewed", { ...whose, detail: (error as Error).message });
    }
  };
  return () => {
    last = last.then(check);
    return last;
  };
}
