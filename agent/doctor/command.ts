// `flarescale doctor`: examines a login server and prints what it found.
import {
  type Command,
  type CommandHelp,
  EXIT_OK,
  EXIT_PROBLEM,
  parseOptions,
  table,
  UsageError,
} from "../command-line.ts";
import type { Finding } from "../finding.ts";
import { examine } from "./examine.ts";
import { parseLoginServer } from "./login-server.ts";

const OPTIONS = {
  "login-server": { type: "string", value: "URL", help: "What clients are given as login server; needed" },
  json: { type: "boolean", help: "Print one line of JSON to stdout" },
} as const;

const HELP: CommandHelp = {
  name: "doctor",
  summary: "find out why a client cannot reach its control server",
  description: [
    "Does what a client does before it can log in, from the machine on which it runs: resolves the name, opens the ports,",
    "fetches the server's key, compares clocks, and begins the control connection over plain HTTP, over TLS and over a",
    "WebSocket until the server has proved that it owns that key. Then it passes on what the server itself says that an",
    "administrator must look after. It registers nothing and changes nothing. Proxies of the environment are not used.",
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "flarescale doctor --login-server https://gateway.example.com",
    "flarescale doctor --login-server http://gateway.tailscale.svc --json",
  ],
  exitCodes: ["no problem was found", "a problem was found", "the command line makes no sense"],
};

/** The command. */
export const doctorCommand: Command = { help: HELP, run };

async function run(argv: readonly string[]): Promise<number> {
  const values = parseOptions(OPTIONS, argv, process.env);
  const loginServer = values["login-server"];
  if (loginServer === undefined) {
    throw new UsageError("--login-server is needed: the URL that clients are given, as https://gateway.example.com");
  }
  const server = parseLoginServer(loginServer);
  const findings = await examine(server);
  const problems = findings.filter(({ status }) => status === "problem").length;
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ loginServer: server.url.origin, ok: problems === 0, checks: findings })}\n`
      : report(findings, problems),
  );
  return problems === 0 ? EXIT_OK : EXIT_PROBLEM;
}

function report(findings: readonly Finding[], problems: number): string {
  const rows = findings.map(({ check, status, detail, advice }): [string, string] => [
    `${status.padEnd(8)}  ${check}`,
    advice === undefined ? `${detail}.` : `${detail}. ${advice}`,
  ]);
  const sum = problems === 0 ? "no problem found" : `${problems} problem${problems === 1 ? "" : "s"} found`;
  return `${[...table(rows), "", sum].join("\n")}\n`;
}
