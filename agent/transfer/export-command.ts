// `flarescale export`: writes the whole tailnet to a file that only its owner can read.
import { writeFile } from "node:fs/promises";
import { parseTransfer } from "../../worker/protocol/transfer/document.ts";
import { type Command, type CommandHelp, EXIT_OK, parseOptions, UsageError } from "../command-line.ts";
import { ACCESS_OPTIONS, accessOf, fetchExport } from "./rest-api.ts";

const OPTIONS = {
  ...ACCESS_OPTIONS,
  output: { type: "string", value: "FILE", help: "File to write, which must not exist yet; needed" },
} as const;

const HELP: CommandHelp = {
  name: "export",
  summary: "write a whole tailnet to a file",
  description: [
    "Users, devices, keys (as hashes), the policy file, settings, Services, webhooks and the server's private keys. The audit",
    "log and earlier versions of the policy file stay behind.",
    "",
    "WARNING: whoever has the file can stand in for your server, and knows the secrets of webhooks and log streams. It is",
    "written so that no other user can read it. Keep it encrypted, and delete it when it has been imported.",
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "FLARESCALE_TOKEN=tskey-api-… flarescale export --server https://control.example.com --output tailnet.jsonl",
  ],
  exitCodes: [
    "the file was written",
    "the server refused, or the file could not be written",
    "the command line makes no sense",
  ],
};

/** The command. */
export const exportCommand: Command = { help: HELP, run };

async function run(argv: readonly string[]): Promise<number> {
  const values = parseOptions(OPTIONS, argv, process.env);
  const access = accessOf(values);
  if (values.output === undefined) throw new UsageError("--output is needed: the file to write");
  const text = await fetchExport(access);
  const { lines } = parseTransfer(text);
  await writeFile(values.output, text, { mode: 0o600, flag: "wx" });
  const count = (kind: string) => lines.filter((line) => line.kind === kind).length;
  process.stdout.write(
    [
      `wrote ${count("user")} users and ${count("node")} devices to ${values.output}`,
      "WARNING: the file holds the server's private keys; whoever has it can stand in for your server",
      "",
    ].join("\n"),
  );
  return EXIT_OK;
}
