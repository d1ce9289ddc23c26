// Options of every command: one table says type, default and help; it is read from the command line, then from
// FLARESCALE_<OPTION> in the environment, then from the default, and it prints the help page. Reasons over
// node:util parseArgs alone: environment variables, defaults and help from the same table, errors that say what to do.
import { parseArgs } from "node:util";

/** Exit codes of every command. */
export const EXIT_OK = 0;
export const EXIT_PROBLEM = 1;
export const EXIT_USAGE = 2;

/** One option. `list` may be given several times (in the environment: separated by commas). */
export interface OptionSpec {
  readonly type: "string" | "list" | "boolean";
  /** Placeholder of the value in the help page. */
  readonly value?: string;
  readonly help: string;
  readonly default?: string;
}
/** The options of a command by long name. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

type ValueOf<Spec extends OptionSpec> = Spec["type"] extends "boolean"
  ? boolean
  : Spec["type"] extends "list"
    ? readonly string[]
    : Spec extends { readonly default: string }
      ? string
      : string | undefined;
/** What {@link parseOptions} returns for a table. */
export type OptionValues<Table extends OptionTable> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> };

/** Everything that the help page of a command says. */
export interface CommandHelp {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly options: OptionTable;
  readonly examples: readonly string[];
  /** Meaning of the exit codes 0, 1 and 2, in this order. */
  readonly exitCodes: readonly [string, string, string];
}

/** A command: its help and the function that runs it. */
export interface Command {
  readonly help: CommandHelp;
  /** Runs with the arguments behind the command's name and returns the exit code. @throws UsageError */
  run(argv: readonly string[]): Promise<number>;
}

/** The user's command line makes no sense; the message says what to change. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Name of the environment variable of an option: `http-port` → `FLARESCALE_HTTP_PORT`. */
function environmentName(option: string): string {
  return `FLARESCALE_${option.toUpperCase().replaceAll("-", "_")}`;
}

/** Reads the options of a table from arguments and environment. @throws UsageError on anything unknown. */
export function parseOptions<Table extends OptionTable>(
  table: Table,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): OptionValues<Table> {
  const given = parseArguments(table, argv);
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(table)) {
    values[name] = given[name] ?? fromEnvironment(name, spec, env) ?? spec.default ?? emptyValue(spec);
  }
  return values as OptionValues<Table>;
}

function parseArguments(table: OptionTable, argv: readonly string[]): Record<string, unknown> {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, spec]) => [
      name,
      { type: spec.type === "boolean" ? ("boolean" as const) : ("string" as const), multiple: spec.type === "list" },
    ]),
  );
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // Node's texts are good ("Unknown option '--x'"); from the second sentence on they talk about "--" alone.
    throw new UsageError(String((error as Error).message).split(/\.\s/)[0]);
  }
}

function fromEnvironment(name: string, spec: OptionSpec, env: Readonly<Record<string, string | undefined>>): unknown {
  const variable = environmentName(name);
  const text = env[variable];
  if (text === undefined || text === "") return undefined;
  if (spec.type === "string") return text;
  if (spec.type === "list") return text.split(",").map((part) => part.trim());
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new UsageError(`${variable} must be true or false`);
}

function emptyValue(spec: OptionSpec): unknown {
  if (spec.type === "boolean") return false;
  return spec.type === "list" ? [] : undefined;
}

/** A whole number between two bounds, inclusive. @throws UsageError naming the option. */
export function parseInteger(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${option} must be a whole number from ${min} to ${max}, not "${text}"`);
}

/** The origin of a server, which an option must name. @throws UsageError naming the option. */
export function parseOrigin(option: string, text: string | undefined): string {
  if (text !== undefined && /^https?:\/\/[^/\s]+$/.test(text)) return text;
  throw new UsageError(`--${option} is needed: an origin such as https://control.example.com, without a path`);
}

/** The help page of a command. */
export function helpPage(help: CommandHelp): string {
  const rows = Object.entries(help.options).map(([name, spec]): [string, string] => {
    const left = spec.type === "boolean" ? `--${name}` : `--${name} ${spec.value ?? "TEXT"}`;
    const notes = [
      spec.default === undefined ? undefined : `default ${spec.default}`,
      spec.type === "list" ? "repeatable" : undefined,
      environmentName(name),
    ];
    return [left, `${spec.help} (${notes.filter(Boolean).join("; ")})`];
  });
  return [
    `flarescale ${help.name}: ${help.summary}`,
    "",
    help.description,
    "",
    "Options:",
    ...table([...rows, ["--help", "Print this page"]]),
    "",
    "Examples:",
    ...help.examples.map((example) => `  ${example}`),
    "",
    "Exit codes:",
    ...help.exitCodes.map((meaning, code) => `  ${code}  ${meaning}`),
    "",
  ].join("\n");
}

/** Lines of two aligned columns; the right one is folded at 110 columns. */
export function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 4;
  return rows.flatMap(([left, right]) => {
    const lines = fold(right, 110 - width);
    return lines.map((line, i) => `${(i === 0 ? `  ${left}` : "").padEnd(width)}${line}`);
  });
}

function fold(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
