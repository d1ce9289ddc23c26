// GET /key as clients fetch it (control-protocol.md 1.2), and the clock that its answer carries.
import { isZeroKey, parseMachineKey, rawKey } from "../../worker/protocol/keys.ts";
import { PROBE_VERSION } from "../control/noise-probe.ts";
import { type Finding, failureText, ok, printable, problem, skipped } from "../finding.ts";
import { fetchPage, type Page } from "./fetch-page.ts";
import type { LoginServer } from "./login-server.ts";

/** Difference of clocks beyond which certificates and tokens begin to fail. */
const SKEW_MAX_MS = 60_000;

/** What the answer tells. */
export interface KeyExamination {
  readonly findings: readonly Finding[];
  /** The server's raw Noise key, if it has told one. */
  readonly serverKey: Uint8Array | undefined;
}

/** Fetches the key and examines the answer. `now` is the local time in milliseconds. */
export async function checkKey({ url }: LoginServer, now = Date.now): Promise<KeyExamination> {
  let answer: Page;
  const askedAt = now();
  try {
    answer = await fetchPage(new URL(`/key?v=${PROBE_VERSION}`, url));
  } catch (error) {
    const finding = problem("key", `GET /key: ${failureText(error)}`, "Start the server there, or correct the URL.");
    return { findings: [finding, skipped("clock", "there is no answer to compare with")], serverKey: undefined };
  }
  const { finding, serverKey } = examine(answer);
  return { findings: [finding, checkClock(answer.headers.date, (askedAt + now()) / 2)], serverKey };
}

/** Judges the answer. A distrusted certificate is a problem, and still the key is used for the checks that follow. */
function examine({ status, headers, body, distrust }: Page): { finding: Finding; serverKey?: Uint8Array } {
  const key = status === 200 ? readKey(body) : undefined;
  const found = key === undefined ? {} : { serverKey: key };
  const bad = (detail: string, advice: string) => ({ finding: problem("key", detail, advice), ...found });
  if (distrust !== undefined) {
    return bad(
      `the certificate is not trusted (${distrust})`,
      "Clients verify it for /key: use a certificate of a public authority, or a login server that begins with http://.",
    );
  }
  if (status !== 200) return bad(`GET /key answers ${status}`, "Point the login server at a gateway or at the Worker.");
  if (key === undefined) {
    return bad(
      `GET /key answers something that is no key: ${printable(body).slice(0, 60)}`,
      "Another server, or a login page of the network, answers at this address.",
    );
  }
  if (headers["access-control-allow-origin"] !== "*") {
    return bad(
      "the answer to GET /key has no Access-Control-Allow-Origin: *",
      "Something in front removes the header; clients in browsers cannot read the key without it.",
    );
  }
  return { finding: ok("key", "GET /key gives the server's key"), ...found };
}

function readKey(body: string): Uint8Array | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined; // a page of something else
  }
  const key = parseMachineKey((parsed as { publicKey?: unknown } | null)?.publicKey);
  return key === undefined || isZeroKey(key) ? undefined : rawKey(key);
}

/** Compares the local clock with the answer's. */
function checkClock(date: string | undefined, localMs: number): Finding {
  const theirsMs = Date.parse(date ?? "");
  if (Number.isNaN(theirsMs)) return skipped("clock", "the answer carries no time");
  const skewMs = localMs - theirsMs;
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  if (Math.abs(skewMs) <= SKEW_MAX_MS) return ok("clock", `the clocks differ by ${seconds} s`);
  return problem(
    "clock",
    `this machine's clock is ${seconds} s ${skewMs > 0 ? "ahead" : "behind"}`,
    "Set it (for example with NTP): certificates and login tokens are refused by a wrong clock.",
  );
}
