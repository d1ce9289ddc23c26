// One GET of a login server, whatever its certificate: a distrusted one is a finding, and no reason to look no further.
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import type { TLSSocket } from "node:tls";
import { CHECK_TIMEOUT_MS } from "../finding.ts";

/** Largest answer that clients read, about; more is left out. */
const BODY_MAX = 64 << 10;

/** What was answered. */
export interface Page {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** Why the certificate would not be trusted; undefined when it is, or when there is none. */
  readonly distrust: string | undefined;
}

/** Gets a page; redirects are not followed. @throws Error when there is no whole answer in time */
export function fetchPage(url: URL): Promise<Page> {
  return new Promise((resolve, reject) => {
    const start = url.protocol === "https:" ? https.get : http.get;
    const options = { agent: false, rejectUnauthorized: false, signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) } as const;
    const request = start(url, options, (response) => {
      const { authorized, authorizationError } = response.socket as TLSSocket;
      const distrust = url.protocol === "https:" && !authorized ? String(authorizationError) : undefined;
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        if (body.length < BODY_MAX) body += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, distrust }),
      );
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}
