// `flarescale derp-restart`: an operator announces that relays go away for a while (control-protocol.md 7.3, Restarting).
import {
  type Command,
  type CommandHelp,
  EXIT_OK,
  EXIT_PROBLEM,
  parseInteger,
  parseOptions,
  UsageError,
} from "../command-line.ts";
import { refusalText } from "../control/api-answer.ts";

const OPTIONS = {
  worker: { type: "string", value: "URL", help: "Origin of the Worker, or of a gateway before it; needed" },
  "bootstrap-secret": {
    type: "string",
    value: "TEXT",
    help: "The Worker's BOOTSTRAP_SECRET; better given by the environment, where no process list shows it",
  },
  region: { type: "string", value: "ID", help: "The region; all of the deployment when not given" },
  "reconnect-in": { type: "string", value: "MS", default: "0", help: "Milliseconds that clients shall wait" },
  "try-for": { type: "string", value: "MS", default: "10000", help: "Milliseconds that they shall try for then" },
} as const;

const HELP: CommandHelp = {
  name: "derp-restart",
  summary: "send the clients of our relays away before an interruption, and tell them when to come back",
  description: [
    "Each client of the region gets a Restarting frame with the two times, and its connection is closed with code 1012.",
    "The relay itself goes on: who comes back is let in. Clients of today (1.102) reconnect at once, whatever the frame",
    "says; programs that use the relay by themselves may heed it.",
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "FLARESCALE_BOOTSTRAP_SECRET=… flarescale derp-restart --worker https://control.example.com",
    "flarescale derp-restart --worker https://control.example.com --region 901 --reconnect-in 2000",
  ],
  exitCodes: ["the clients were told", "the Worker refused, or does not answer", "the command line makes no sense"],
};

/** The command. */
export const derpRestartCommand: Command = { help: HELP, run };

const MAX_MS = 600_000;
const PATIENCE_MS = 30_000;

async function run(argv: readonly string[]): Promise<number> {
  const values = parseOptions(OPTIONS, argv, process.env);
  const { worker, region, "bootstrap-secret": secret } = values;
  if (worker === undefined || !URL.canParse(worker)) throw new UsageError("--worker is needed: the URL of your Worker");
  if (secret === undefined) throw new UsageError("set FLARESCALE_BOOTSTRAP_SECRET to the Worker's BOOTSTRAP_SECRET");
  const order = {
    ...(region !== undefined && { region: parseInteger("region", region, 1, 65_535) }),
    reconnectInMs: parseInteger("reconnect-in", values["reconnect-in"], 0, MAX_MS),
    tryForMs: parseInteger("try-for", values["try-for"], 0, MAX_MS),
  };
  const response = await fetch(new URL("/derp/restart", worker), {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: JSON.stringify(order),
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch((error: Error) => {
    throw new Error(`${worker} does not answer: ${(error.cause as Error | undefined)?.message ?? error.message}`, {
      cause: error,
    });
  });
  if (!response.ok) {
    process.stderr.write(
      `flarescale derp-restart: ${worker} refused: ${refusalText(response.status, await response.text())}\n`,
    );
    return EXIT_PROBLEM;
  }
  const { regions } = (await response.json()) as { regions: { region: number; clients: number }[] };
  for (const each of regions) process.stdout.write(`region ${each.region}: ${each.clients} clients sent away\n`);
  return EXIT_OK;
}
