// Requests of the server to a client ("c2n", control-protocol.md 6.9): an HTTP request inside a PingRequest of a map
// message; the client posts the raw HTTP response back inside Noise.
import { fromUtf8, toBase64, utf8 } from "../bytes.ts";
import { POSTURE_SERIAL_LENGTH_MAX, POSTURE_SERIALS_MAX, SERVICE_REPORT_MAX } from "../limits.ts";
import { isJsonObject, MalformedRequest, parseJsonObject } from "./json.ts";

/** What a client says that it serves (`GET /vip-services`). */
export interface ReportedServices {
  /** Opaque; the same as in its Hostinfo. */
  readonly hash: string;
  readonly services: readonly {
    readonly name: string;
    readonly ports: readonly string[];
    readonly isActive: boolean;
  }[];
}

/** What a client says of its hardware (`GET /posture/identity`). */
export interface ReportedPosture {
  /** Its user has not agreed to tell. */
  readonly isDisabled: boolean;
  readonly serialNumbers: readonly string[];
}

/** A map message that asks a client for something; `url` must be new each time. */
export function askClient(url: string, path: string): string {
  const request = `GET ${path} HTTP/1.1\r\nHost: c2n\r\n\r\n`;
  return JSON.stringify({
    PingRequest: { URL: url, URLIsNoise: true, Types: "c2n", Payload: toBase64(utf8(request)) },
  });
}

/** Reads the body of an HTTP response as a client posts it. @throws MalformedRequest unless its status is 200 */
function bodyOf(response: Uint8Array): string {
  const text = fromUtf8(response);
  const end = text.indexOf("\r\n\r\n");
  const head = text.slice(0, end).toLowerCase();
  if (end < 0 || !/^http\/1\.[01] 200\b/.test(head)) throw new MalformedRequest("not a response with status 200");
  const body = text.slice(end + 4);
  return /^transfer-encoding:\s*chunked\s*$/m.test(head) ? unchunked(body) : body;
}

function unchunked(text: string): string {
  let rest = text;
  let body = "";
  for (;;) {
    const match = /^([0-9a-f]{1,6})[^\r\n]*\r\n/i.exec(rest);
    if (match === null) throw new MalformedRequest("broken chunk");
    const size = Number.parseInt(match[1] as string, 16);
    if (size === 0) return body;
    const from = match[0].length;
    body += rest.slice(from, from + size);
    rest = rest.slice(from + size + 2);
  }
}

/** Reads a client's answer to `GET /vip-services`. @throws MalformedRequest */
export function parseServiceReport(response: Uint8Array): ReportedServices {
  const answer = parseJsonObject(bodyOf(response));
  const list = answer.VIPServices ?? [];
  const hash = answer.ServicesHash;
  if (!Array.isArray(list) || typeof hash !== "string" || hash.length > 128) throw new MalformedRequest("no services");
  if (list.length > SERVICE_REPORT_MAX) throw new MalformedRequest("too many services");
  return {
    hash,
    services: list.filter(isJsonObject).map(({ Name, Ports, Active }) => ({
      name: typeof Name === "string" ? Name.slice(0, 68) : "",
      ports: Array.isArray(Ports) ? Ports.filter((port) => typeof port === "string").slice(0, SERVICE_REPORT_MAX) : [],
      isActive: Active === true,
    })),
  };
}

/**
 * Reads a client's answer to `GET /posture/identity`. Serial numbers that are no text, or longer than any, are left out.
 * @throws MalformedRequest
 */
export function parsePostureReport(response: Uint8Array): ReportedPosture {
  const { PostureDisabled, SerialNumbers } = parseJsonObject(bodyOf(response));
  const isDisabled = PostureDisabled === true;
  const given = Array.isArray(SerialNumbers) && !isDisabled ? SerialNumbers.filter(isSerialNumber) : [];
  return { isDisabled, serialNumbers: [...new Set(given)].slice(0, POSTURE_SERIALS_MAX) };
}

function isSerialNumber(value: unknown): value is string {
  return typeof value === "string" && value.length <= POSTURE_SERIAL_LENGTH_MAX && /^[^\p{Cc}\p{Cs}]+$/u.test(value);
}
