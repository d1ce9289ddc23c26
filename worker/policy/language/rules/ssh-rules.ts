// The section ssh (policy.md 16.1): who may log in where, as whom, and after what check.
import type { Selector, SSHAccessRule } from "../../policy.ts";
import {
  type Fields,
  type Node,
  type Problems,
  quote,
  readBoolean,
  readFields,
  readList,
  readText,
  readTexts,
} from "../document.ts";
import { type RuleContext, readSrcPosture } from "../rule-context.ts";
import { foreignDomain, readSelector } from "../selector.ts";
import { formatDuration, parseDuration } from "./duration.ts";

const KNOWN = [
  "action",
  "src",
  "dst",
  "users",
  "checkPeriod",
  "acceptEnv",
  "recorder",
  "enforceRecorder",
  "srcPosture",
];

const HOUR = 3_600_000_000_000n;
const DEFAULT_CHECK_PERIOD = 12n * HOUR;
const MAX_CHECK_PERIOD = 168n * HOUR;

/** Reads `ssh`. */
export function readSSHRules(node: Node | undefined, context: RuleContext): SSHAccessRule[] {
  const rules: SSHAccessRule[] = [];
  for (const [i, item] of readList(node, "ssh", context.problems).entries()) {
    const where = `ssh[${i}]`;
    const fields = readFields(item, where, KNOWN, context.problems);
    if (fields !== undefined) rules.push(readRule(fields, where, item.offset, context));
  }
  return rules;
}

function readRule(fields: Fields, where: string, at: number, context: RuleContext): SSHAccessRule {
  const { problems } = context;
  const action = readAction(fields, where, at, problems);
  const sources = readSources(fields, where, context);
  const destinations = readDestinations(fields, where, context);
  checkPairs({ action, sources, destinations }, at, problems);
  return {
    action,
    sources,
    destinations: destinations.filter(({ kind }) => kind !== "self"),
    toSelf: destinations.some(({ kind }) => kind === "self"),
    ...readLogins(fields, where, at, context),
    checkPeriodSeconds: readCheckPeriod(fields, where, problems),
    acceptEnv: readAcceptEnv(fields, where, problems),
    recorders: readRecorders(fields, where, context),
    enforceRecorder: readBoolean(fields.get("enforceRecorder"), `${where}.enforceRecorder`, problems),
    postures: readSrcPosture(fields.get("srcPosture"), where, context),
  };
}

function readAction(fields: Fields, where: string, at: number, problems: Problems): "accept" | "check" {
  const action = readText(fields.get("action"), `${where}.action`, problems);
  if (action?.value === "accept" || action?.value === "check") return action.value;
  if (action === undefined || action.value === "") problems.error("action must be specified", action?.at ?? at);
  else problems.error(`${quote(action.value)} is not a valid action`, action.at);
  return "accept";
}

function readSources(fields: Fields, where: string, context: RuleContext): Selector[] {
  const sources: Selector[] = [];
  for (const { value, at } of readTexts(fields.get("src"), `${where}.src`, context.problems)) {
    const selector = readSelector(value, "ssh-source", context.definitions);
    if (typeof selector === "string") context.problems.error(`[ssh] ${selector}`, at);
    else sources.push(selector);
  }
  return sources;
}

function readDestinations(fields: Fields, where: string, context: RuleContext): Selector[] {
  const destinations: Selector[] = [];
  for (const { value, at } of readTexts(fields.get("dst"), `${where}.dst`, context.problems)) {
    const selector = readSelector(value, "ssh-destination", context.definitions);
    if (typeof selector !== "string") destinations.push(selector);
    else context.problems.error(selector.startsWith("invalid dst") ? selector : `[ssh] ${selector}`, at);
  }
  return destinations;
}

/** Refuses the pairs of sources and destinations that may not be granted (policy.md 16.1). */
function checkPairs(
  { action, sources, destinations }: Pick<SSHAccessRule, "action" | "sources" | "destinations">,
  at: number,
  problems: Problems,
): void {
  const isTag = ({ kind }: Selector) => kind === "tag" || kind === "tagged";
  const users = destinations.filter((selector) => selector.kind === "user");
  if (sources.some(isTag)) {
    if (destinations.some(({ kind }) => kind === "self" || kind === "member" || kind === "user")) {
      problems.error("[ssh] tags in src can only be used with tags in dst", at);
    }
    if (action === "check") problems.error("[ssh] tags in src cannot be used with the action check", at);
  }
  const [source] = sources;
  const isAlone = sources.length === 1 && source?.kind === "user";
  if (users.some((user) => !isAlone || user.login !== source.login)) {
    problems.error("[ssh] a user in dst must be the only src", at);
  }
}

type Logins = Pick<SSHAccessRule, "logins" | "allowsRoot" | "allowsNonroot" | "localpartDomains">;

function readLogins(fields: Fields, where: string, at: number, context: RuleContext): Logins {
  const { problems } = context;
  const users = readTexts(fields.get("users"), `${where}.users`, problems);
  if (users.length === 0) problems.error("users must be specified", at);
  const logins = new Set<string>();
  const localpartDomains = new Set<string>();
  for (const user of users) {
    const domain = /^localpart:\*@(.+)$/.exec(user.value)?.[1];
    const foreign = domain === undefined ? undefined : foreignDomain(domain, context.definitions);
    if (user.value === "" || user.value === "*") problems.error(`user ${quote(user.value)} is not valid`, user.at);
    else if (foreign !== undefined) problems.error(foreign, user.at);
    else if (domain !== undefined) localpartDomains.add(domain);
    else logins.add(user.value);
  }
  const allowsRoot = logins.delete("root");
  const allowsNonroot = logins.delete("autogroup:nonroot");
  return { logins: [...logins], allowsRoot, allowsNonroot, localpartDomains: [...localpartDomains] };
}

function readCheckPeriod(fields: Fields, where: string, problems: Problems): number {
  const text = readText(fields.get("checkPeriod"), `${where}.checkPeriod`, problems);
  if (text === undefined || text.value === "") return Number(DEFAULT_CHECK_PERIOD / 1_000_000_000n);
  if (text.value === "always") return 0;
  const period = parseDuration(text.value);
  if (typeof period === "string") {
    problems.error(period, text.at);
    return 0;
  }
  if (period < 0n) problems.error(`checkPeriod ${formatDuration(period)} must be a positive duration`, text.at);
  if (period > MAX_CHECK_PERIOD) {
    problems.error(`checkPeriod ${formatDuration(period)} is above the max (168h)`, text.at);
  }
  return Number(period) / 1e9;
}

function readAcceptEnv(fields: Fields, where: string, problems: Problems): string[] {
  const patterns = readTexts(fields.get("acceptEnv"), `${where}.acceptEnv`, problems);
  for (const { value, at } of patterns) if (value === "") problems.error("acceptEnv values cannot be empty", at);
  return patterns.map(({ value }) => value);
}

function readRecorders(fields: Fields, where: string, { definitions, problems }: RuleContext): string[] {
  const tags = readTexts(fields.get("recorder"), `${where}.recorder`, problems);
  for (const { value, at } of tags) {
    if (!value.startsWith("tag:")) problems.error("recorder can only be a tag", at);
    else if (!definitions.tags.has(value)) problems.error(`tag ${quote(value)} not found`, at);
  }
  return tags.map(({ value }) => value);
}
