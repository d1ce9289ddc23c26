// The `flarescale` program: finds the command, prints help, turns failures into exit codes. Commands are loaded when
// they are needed, so that `doctor` does not pay for what only `gateway` uses.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { type Command, EXIT_OK, EXIT_PROBLEM, EXIT_USAGE, helpPage, table, UsageError } from "./command-line.ts";

const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  gateway: {
    summary: "carry the control connections of native clients to the Worker",
    load: async () => (await import("./gateway/command.ts")).gatewayCommand,
  },
  stun: {
    summary: "tell clients which address the world sees them at, over UDP",
    load: async () => (await import("./stun/command.ts")).stunCommand,
  },
  "derp-check": {
    summary: "measure the relays and STUN servers of a DERP map as a client would",
    load: async () => (await import("./derp-check/command.ts")).derpCheckCommand,
  },
  admin: {
    summary: "make the first administrator of a new tailnet",
    load: async () => (await import("./admin/command.ts")).adminCommand,
  },
  export: {
    summary: "write a whole tailnet to a file",
    load: async () => (await import("./transfer/export-command.ts")).exportCommand,
  },
  import: {
    summary: "make a new tailnet that of a file or of a headscale database",
    load: async () => (await import("./transfer/import-command.ts")).importCommand,
  },
  "issuer-keys": {
    summary: "give the keys of a private issuer, such as a cluster, to the control server",
    load: async () => (await import("./issuer-keys/command.ts")).issuerKeysCommand,
  },
  "derp-restart": {
    summary: "send the clients of our relays away before an interruption, and tell them when to come back",
    load: async () => (await import("./derp-restart/command.ts")).derpRestartCommand,
  },
  doctor: {
    summary: "find out why a client cannot reach its control server",
    load: async () => (await import("./doctor/command.ts")).doctorCommand,
  },
};

/** Where a run writes; tests pass their own. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** Runs a command line (without the program's name) and returns its exit code. */
export async function main(argv: readonly string[], output: Output): Promise<number> {
  const [name, ...rest] = argv;
  switch (name) {
    case undefined:
      output.err(overview());
      return EXIT_USAGE;
    case "help":
    case "--help":
    case "-h":
      return rest[0] === undefined ? print(output, overview()) : await main([rest[0], "--help"], output);
    case "version":
    case "--version":
      return print(output, rest.includes("--help") ? VERSION_HELP : `${await version()}\n`);
    default:
      return await runCommand(name, rest, output);
  }
}

async function runCommand(name: string, argv: readonly string[], output: Output): Promise<number> {
  const command = await (Object.hasOwn(COMMANDS, name) ? COMMANDS[name]?.load() : undefined);
  if (command === undefined) {
    output.err(`flarescale: there is no command "${name}"; "flarescale help" lists the commands\n`);
    return EXIT_USAGE;
  }
  if (argv.includes("--help") || argv.includes("-h")) return print(output, helpPage(command.help));
  try {
    return await command.run(argv);
  } catch (error) {
    if (error instanceof UsageError) {
      output.err(`flarescale ${name}: ${error.message}; "flarescale ${name} --help" explains the options\n`);
      return EXIT_USAGE;
    }
    output.err(`flarescale ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_PROBLEM;
  }
}

function print(output: Output, text: string): number {
  output.out(text);
  return EXIT_OK;
}

async function version(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}

const VERSION_HELP = `flarescale version: print the version

Examples:
  flarescale version

Exit codes:
  0  printed
`;

function overview(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary] as const);
  return [
    "flarescale: the part of the coordination server that runs where the clients are",
    "",
    "Usage: flarescale <command> [options]",
    "",
    "Commands:",
    ...table([...rows, ["version", "print the version"], ["help", "print this page, or the page of a command"]]),
    "",
    "Examples:",
    "  flarescale gateway --upstream https://control.example.com",
    "  flarescale stun --port 3478",
    "  flarescale doctor --login-server https://gateway.example.com",
    "  flarescale help gateway",
    "",
    "Exit codes:",
    "  0  all is well",
    "  1  a problem was found",
    "  2  the command line makes no sense",
    "",
  ].join("\n");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const code = await main(process.argv.slice(2), {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  });
  process.exit(code); // a kept-alive upstream connection must not hold the process
}
