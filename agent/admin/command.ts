// `flarescale admin`: makes the first administrator of a new tailnet, by the secret that allows it once.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, type CommandHelp, EXIT_OK, parseOptions, parseOrigin, UsageError } from "../command-line.ts";
import { readAnswer, refusalText } from "../control/api-answer.ts";

const TIMEOUT_MS = 30_000;

const OPTIONS = {
  server: { type: "string", value: "URL", help: "The deployment, as https://control.example.com; needed" },
  "login-name": { type: "string", value: "EMAIL", help: "Login name of the administrator; needed" },
  state: { type: "string", value: "DIR", help: "State folder of npm start or npm run serve, which holds the secret" },
  "bootstrap-secret": {
    type: "string",
    value: "TEXT",
    help: "The deployment's BOOTSTRAP_SECRET, in place of --state. Set the variable: other users see command lines",
  },
} as const;

const HELP: CommandHelp = {
  name: "admin",
  summary: "make the first administrator of a new tailnet",
  description: [
    "Prints an API token of the administrator, who owns the tailnet, on standard output and nothing else there. It is shown",
    "this once. The secret works once: when there is an administrator already, nothing is changed.",
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "flarescale admin --server http://127.0.0.1:8787 --login-name ann@example.com --state .flarescale",
    "FLARESCALE_BOOTSTRAP_SECRET=… flarescale admin --server https://control.example.com --login-name ann@example.com",
  ],
  exitCodes: [
    "the administrator was made",
    "the server refused, or could not be reached",
    "the command line makes no sense",
  ],
};

/** The command. */
export const adminCommand: Command = { help: HELP, run };

async function run(argv: readonly string[]): Promise<number> {
  const values = parseOptions(OPTIONS, argv, process.env);
  const { "login-name": loginName, "bootstrap-secret": given, state } = values;
  const server = parseOrigin("server", values.server);
  if (loginName === undefined) throw new UsageError("--login-name is needed: an email address");
  if ((given === undefined) === (state === undefined)) {
    throw new UsageError("one of --state and FLARESCALE_BOOTSTRAP_SECRET is needed");
  }
  const secret = given ?? (await secretOf(state ?? ""));
  process.stdout.write(`${await makeAdministrator(server, secret.trim(), loginName)}\n`);
  return EXIT_OK;
}

/** The secret in a state folder. @throws Error that names the file */
async function secretOf(state: string): Promise<string> {
  const file = join(state, "credentials.json");
  const content: unknown = JSON.parse(await readFile(file, "utf8"));
  const { bootstrapSecret } = content as { readonly bootstrapSecret?: unknown };
  if (typeof bootstrapSecret !== "string") throw new Error(`${file} holds no bootstrap secret`);
  return bootstrapSecret;
}

/** The API token of the new administrator. @throws Error with the server's words */
async function makeAdministrator(server: string, secret: string, loginName: string): Promise<string> {
  const response = await fetch(`${server}/api/v2/bootstrap`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: JSON.stringify({ loginName }),
    redirect: "error", // the secret is for this server alone
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  const apiToken = readAnswer(text)?.apiToken;
  if (response.ok && typeof apiToken === "string") return apiToken;
  throw new Error(`${server} refused: ${refusalText(response.status, text)}`);
}
