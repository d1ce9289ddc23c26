// Certificates by the name that a client asks for in its TLS handshake (SNI), for gateways that serve several hosts. A
// client that names another host, or none because it knows an address only, gets the gateway's own certificate.

import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { UsageError } from "../command-line.ts";
import { type Certificate, readCertificate } from "./certificate.ts";

/** Where the certificate of one host lies. */
export interface HostFiles {
  /** DNS name in lower case; `*.` before it stands for one label. */
  readonly host: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const HOST = /^(\*\.)?([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/;

/** Parses the values of `--tls-host`: `HOST=CERTFILE:KEYFILE`. @throws UsageError */
export function parseHostFiles(values: readonly string[]): HostFiles[] {
  const files = values.map((value) => {
    const [, name = "", certFile = "", keyFile = ""] = /^([^=]*)=([^:]+):([^:]+)$/.exec(value) ?? [];
    const host = name.toLowerCase();
    if (certFile === "") throw new UsageError(`--tls-host "${value}" must be HOST=CERTFILE:KEYFILE`);
    if (!HOST.test(host)) throw new UsageError(`--tls-host: "${name}" is not a DNS name, nor one with *. before it`);
    return { host, certFile, keyFile };
  });
  const twice = files.find(({ host }, i) => files.findIndex((other) => other.host === host) !== i);
  if (twice !== undefined) throw new UsageError(`--tls-host: ${twice.host} is given twice`);
  return files;
}

/** Reads a host's certificate. @throws Error that says what is wrong with it, also when it is for other hosts */
export async function readHostCertificate({ host, certFile, keyFile }: HostFiles): Promise<Certificate> {
  const certificate = await readCertificate(certFile, keyFile);
  const example = host.replace("*", "any");
  if (new X509Certificate(certificate.cert).checkHost(example) === undefined) {
    throw new Error(`the certificate ${certFile} is not for ${host}`);
  }
  return certificate;
}

/** The certificates of a gateway's hosts. */
export class HostCertificates {
  readonly #contexts = new Map<string, SecureContext>();

  /** Puts a host's certificate in place for new connections. */
  use(host: string, { cert, key }: Certificate): void {
    this.#contexts.set(host, createSecureContext({ cert, key }));
  }

  /** The certificate for a name in a handshake; undefined for the gateway's own. */
  find(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase();
    return this.#contexts.get(name) ?? this.#contexts.get(name.replace(/^[^.]+/, "*"));
  }
}
