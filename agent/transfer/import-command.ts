// `flarescale import`: makes a new tailnet the one of a file that `flarescale export` wrote, or of a headscale database.
import { readFile } from "node:fs/promises";
import { parseTransfer } from "../../worker/protocol/transfer/document.ts";
import { type Command, type CommandHelp, EXIT_OK, parseOptions, UsageError } from "../command-line.ts";
import { type ConvertedKey, convertHeadscale } from "./headscale/convert.ts";
import { readHeadscale } from "./headscale/read-database.ts";
import { ACCESS_OPTIONS, accessOf, type Imported, sendImport } from "./rest-api.ts";

const OPTIONS = {
  ...ACCESS_OPTIONS,
  input: { type: "string", value: "FILE", help: "File that flarescale export wrote" },
  headscale: { type: "string", value: "FILE", help: "SQLite database of headscale, in place of --input" },
  "headscale-noise-key": {
    type: "string",
    value: "FILE",
    help: "headscale's noise_private.key; needed with --headscale, since clients trust this key",
  },
  "headscale-policy": {
    type: "string",
    value: "FILE",
    help: "Policy file, where headscale does not keep it in its database",
  },
  owner: { type: "string", value: "NAME", help: "User of headscale who owns the tailnet; none: whoever imports" },
  "login-domain": {
    type: "string",
    value: "DOMAIN",
    help: "Makes login names of users without an email address: name@DOMAIN",
    default: "headscale.invalid",
  },
} as const;

const HELP: CommandHelp = {
  name: "import",
  summary: "make a new tailnet that of a file or of a headscale database",
  description: [
    "Takes all of it or nothing, into a tailnet that has no devices and one user. Clients go on without logging in again",
    "once the name that they know as login server leads to the new deployment. The same file again changes nothing.",
    "",
    "The token that imports belongs to the imported owner afterwards. Of headscale: users, nodes with keys, addresses, names,",
    "tags and approved routes, and the policy. Its pre-auth keys are hashes that only headscale can check, so that each one",
    "that is still good is replaced by a new key, which is printed; API keys and OAuth clients are to be made anew.",
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "FLARESCALE_TOKEN=tskey-api-… flarescale import --server https://control.example.com --input tailnet.jsonl",
    "flarescale import --server https://control.example.com --headscale db.sqlite --headscale-noise-key noise_private.key --owner ann",
  ],
  exitCodes: [
    "the tailnet was imported",
    "the file or the server refused; nothing was changed",
    "the command line makes no sense",
  ],
};

/** The command. */
export const importCommand: Command = { help: HELP, run };

async function run(argv: readonly string[]): Promise<number> {
  const values = parseOptions(OPTIONS, argv, process.env);
  const access = accessOf(values);
  if ((values.input === undefined) === (values.headscale === undefined)) {
    throw new UsageError("one of --input and --headscale is needed");
  }
  if (values.input !== undefined) {
    const text = await readFile(values.input, "utf8");
    parseTransfer(text); // a file that is no export never leaves this machine
    process.stdout.write(report(await sendImport(access, text), []));
    return EXIT_OK;
  }
  const noiseKey = values["headscale-noise-key"];
  if (noiseKey === undefined) throw new UsageError("--headscale-noise-key is needed with --headscale");
  const policyFile = values["headscale-policy"];
  const converted = convertHeadscale(readHeadscale(values.headscale ?? ""), {
    noiseKey: await readFile(noiseKey, "utf8"),
    ...(policyFile !== undefined && { policy: await readFile(policyFile, "utf8") }),
    owner: values.owner,
    loginDomain: values["login-domain"],
    now: Date.now(),
  });
  process.stdout.write(report(await sendImport(access, converted.text), converted.keys));
  return EXIT_OK;
}

function report({ users, devices, alreadyImported }: Imported, keys: readonly ConvertedKey[]): string {
  const lines = alreadyImported
    ? ["this file was imported before; nothing was changed"]
    : [`imported ${users} users and ${devices} devices`, ...keys.map(({ was, text }) => `${was} is now ${text}`)];
  return `${lines.join("\n")}\n`;
}
