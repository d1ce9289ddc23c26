// The two calls that move a tailnet.
import { parseOrigin, UsageError } from "../command-line.ts";
import { refusalText } from "../control/api-answer.ts";

const TRIES = 3;
const TIMEOUT_MS = 300_000;

/** Where a tailnet is, and the token of its owner. */
export interface TailnetAccess {
  readonly server: string;
  readonly token: string;
}

/** What an import made. */
export interface Imported {
  readonly users: number;
  readonly devices: number;
  readonly alreadyImported: boolean;
}

/** Options that both commands have. */
export const ACCESS_OPTIONS = {
  server: { type: "string", value: "URL", help: "The deployment, as https://control.example.com; needed" },
  token: {
    type: "string",
    value: "TEXT",
    help: "API token of the tailnet's owner; needed. Set the variable: other users see command lines",
  },
} as const;

/** Reads these options. @throws UsageError */
export function accessOf({
  server,
  token,
}: {
  readonly server: string | undefined;
  readonly token: string | undefined;
}): TailnetAccess {
  const origin = parseOrigin("server", server);
  if (token === undefined) throw new UsageError("--token is needed: set FLARESCALE_TOKEN to an API token of the owner");
  return { server: origin, token: token.trim() };
}

/** The tailnet as a file. */
export async function fetchExport(access: TailnetAccess): Promise<string> {
  return await call(access, "GET", "export");
}

/** Makes an empty tailnet that of a file. A connection that breaks is no harm: the same file again changes nothing. */
export async function sendImport(access: TailnetAccess, text: string): Promise<Imported> {
  for (let tries = 1; ; tries++) {
    try {
      return JSON.parse(await call(access, "POST", "import", text)) as Imported;
    } catch (error) {
      if (error instanceof Refused || tries === TRIES) throw error;
    }
  }
}

class Refused extends Error {}

async function call({ server, token }: TailnetAccess, method: string, what: string, body?: string): Promise<string> {
  const response = await fetch(`${server}/api/v2/tailnet/-/${what}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { "content-type": "application/x-ndjson" }),
    },
    ...(body !== undefined && { body }),
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (response.ok) return text;
  throw new Refused(`${server} refused the ${what}: ${refusalText(response.status, text)}`);
}
