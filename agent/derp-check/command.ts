// `flarescale derp-check`: which part of which relay is slow or broken, as a client here sees it.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type DerpMap, parseDerpMap } from "../../worker/protocol/control/derp-map.ts";
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
import { type Access, examineRegion } from "./examine-region.ts";
import { join, type Member } from "./membership.ts";

const OPTIONS = {
  "login-server": { type: "string", value: "URL", help: "Control server; its DERP map is checked" },
  "auth-key": { type: "string", value: "KEY", help: "Reusable auth key: two ephemeral nodes join with it, and leave" },
  "derp-map": { type: "string", value: "FILE", help: "DERP map as JSON, instead of the control server's" },
  region: { type: "list", value: "ID", help: "Regions to check; all when not given" },
  json: { type: "boolean", help: "Print one line of JSON" },
} as const;

const HELP: CommandHelp = {
  name: "derp-check",
  summary: "measure the relays and STUN servers of a DERP map as a client would",
  description: [
    "For each region: STUN, the HTTPS probe, connection and login of a relay, pings inside, and throughput between two",
    "connections. A relay admits only nodes of its tailnet, so that a whole check joins two ephemeral nodes with an auth",
    "key; they leave at the end. With --derp-map alone it measures what works without: STUN, HTTPS, and whether the relay",
    "answers and keeps strangers out. Run it where a client runs.",
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "flarescale derp-check --login-server https://gateway.example.com --auth-key tskey-auth-…",
    "flarescale derp-check --derp-map map.json --region 900 --json",
  ],
  exitCodes: ["all regions work", "a part is slow or broken", "the command line makes no sense"],
};

/** The command. */
export const derpCheckCommand: Command = { help: HELP, run };

async function run(argv: readonly string[]): Promise<number> {
  const {
    "login-server": loginServer,
    "auth-key": authKey,
    "derp-map": mapFile,
    region,
    json,
  } = parseOptions(OPTIONS, argv, process.env);
  if ((loginServer === undefined) !== (authKey === undefined)) {
    throw new UsageError("--login-server and --auth-key go together");
  }
  if (loginServer === undefined && mapFile === undefined) {
    throw new UsageError("give --login-server and --auth-key, or --derp-map");
  }
  const members = await joinAll(loginServer, authKey);
  try {
    const map = mapFile === undefined ? await (members[0] as Member).derpMap() : await readMap(mapFile);
    const results = await examineAll(map, region, accessOf(members));
    const problems = results.flatMap(({ checks }) => checks).filter(({ status }) => status === "problem").length;
    process.stdout.write(
      json ? `${JSON.stringify({ ok: problems === 0, regions: results })}\n` : report(results, problems),
    );
    return problems === 0 ? EXIT_OK : EXIT_PROBLEM;
  } finally {
    await Promise.all(members.map((member) => member.leave()));
  }
}

async function joinAll(loginServer: string | undefined, authKey: string | undefined): Promise<Member[]> {
  if (loginServer === undefined || authKey === undefined) return [];
  if (!URL.canParse(loginServer)) throw new UsageError(`--login-server must be a URL, not "${loginServer}"`);
  const first = await join(new URL(loginServer), authKey, "derp-check-1");
  try {
    return [first, await join(new URL(loginServer), authKey, "derp-check-2")];
  } catch (error) {
    await first.leave();
    throw new Error(`the second node could not join, so use a reusable auth key: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function accessOf([one, two]: readonly Member[]): Access {
  if (one !== undefined && two !== undefined) return { keys: [one.privateKey, two.privateKey], areNodes: true };
  return { keys: [Uint8Array.from(randomBytes(32)), Uint8Array.from(randomBytes(32))], areNodes: false };
}

async function readMap(file: string): Promise<DerpMap> {
  let map: DerpMap | string;
  try {
    map = parseDerpMap(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    throw new UsageError(`--derp-map ${file}: ${(error as Error).message}`);
  }
  if (typeof map === "string") throw new UsageError(`--derp-map ${file}: ${map}`);
  return map;
}

interface RegionResult {
  readonly region: number;
  readonly code: string;
  readonly checks: readonly Finding[];
}

/** One region after the other, so that none slows another's measure. */
async function examineAll(map: DerpMap, wanted: readonly string[], access: Access): Promise<RegionResult[]> {
  const missing = wanted.find((id) => map.Regions[id] === undefined);
  if (missing !== undefined) throw new UsageError(`--region: the map has no region ${missing}`);
  const results: RegionResult[] = [];
  for (const [id, region] of Object.entries(map.Regions)) {
    if (wanted.length > 0 && !wanted.includes(id)) continue;
    results.push({ region: region.RegionID, code: region.RegionCode, checks: await examineRegion(region, access) });
  }
  return results;
}

function report(results: readonly RegionResult[], problems: number): string {
  const lines = results.flatMap(({ region, code, checks }) => [
    `region ${region} (${code})`,
    ...table(
      checks.map(({ check, status, detail, advice }): [string, string] => [
        `${status.padEnd(8)}  ${check}`,
        advice === undefined ? `${detail}.` : `${detail}. ${advice}`,
      ]),
    ),
    "",
  ]);
  const sum = problems === 0 ? "all regions work" : `${problems} problem${problems === 1 ? "" : "s"} found`;
  return `${[...lines, sum].join("\n")}\n`;
}
