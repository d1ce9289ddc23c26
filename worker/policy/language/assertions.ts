// The sections tests and sshTests as they are written (policy.md 19, 20). Most of what can be wrong with an entry makes
// it fail when it is run, so that only the form and a few destinations are checked here.

import { parseRange } from "../../protocol/ip.ts";
import type { AccessTest, SSHTest } from "../policy.ts";
import {
  type Fields,
  type Node,
  type Problems,
  quote,
  readEntries,
  readFields,
  readList,
  readText,
  readTexts,
} from "./document.ts";
import { lineCounter, type RuleContext } from "./rule-context.ts";

/** Reads `tests`. */
export function readTests(node: Node | undefined, { text, problems }: RuleContext): AccessTest[] {
  const known = ["src", "user", "accept", "allow", "deny", "proto", "srcPostureAttrs"];
  const lines = lineCounter(text);
  const tests: AccessTest[] = [];
  for (const [i, item] of readList(node, "tests", problems).entries()) {
    const where = `tests[${i}]`;
    const fields = readFields(item, where, known, problems);
    if (fields === undefined) continue;
    const accept = fields.get("accept") ?? fields.get("allow");
    tests.push({
      line: lines(item.offset),
      source: readText(fields.get("src") ?? fields.get("user"), `${where}.src`, problems)?.value ?? "",
      accept: values(accept, `${where}.accept`, problems),
      deny: values(fields.get("deny"), `${where}.deny`, problems),
      protocol: readText(fields.get("proto"), `${where}.proto`, problems)?.value ?? "",
      attributes: readAttributes(fields, where, problems),
    });
  }
  return tests;
}

/** Reads `sshTests`. */
export function readSSHTests(node: Node | undefined, context: RuleContext): SSHTest[] {
  const { text, problems } = context;
  const known = ["src", "dst", "accept", "check", "deny", "srcPostureAttrs"];
  const lines = lineCounter(text);
  const tests: SSHTest[] = [];
  for (const [i, item] of readList(node, "sshTests", problems).entries()) {
    const where = `sshTests[${i}]`;
    const fields = readFields(item, where, known, problems);
    if (fields === undefined) continue;
    tests.push({
      line: lines(item.offset),
      source: readText(fields.get("src"), `${where}.src`, problems)?.value ?? "",
      destinations: readSSHDestinations(fields.get("dst"), where, context),
      accept: values(fields.get("accept"), `${where}.accept`, problems),
      check: values(fields.get("check"), `${where}.check`, problems),
      deny: values(fields.get("deny"), `${where}.deny`, problems),
      attributes: readAttributes(fields, where, problems),
    });
  }
  return tests;
}

function values(node: Node | undefined, where: string, problems: Problems): string[] {
  return readTexts(node, where, problems).map(({ value }) => value);
}

function readSSHDestinations(node: Node | undefined, where: string, { definitions, problems }: RuleContext): string[] {
  const destinations = readTexts(node, `${where}.dst`, problems);
  for (const { value, at } of destinations) {
    if (value === "autogroup:internet" || value === "*" || (value.includes("/") && parseRange(value) !== undefined)) {
      problems.error(`SSH tests dst contains disallowed element ${quote(value)}`, at);
    } else if (value.startsWith("tag:") && !definitions.tags.has(value)) {
      problems.error(`SSH tests dst contains unknown tag ${quote(value)}`, at);
    }
  }
  return destinations.map(({ value }) => value);
}

/** Reads `srcPostureAttrs`: attributes to assume of the source; null when absent. */
function readAttributes(fields: Fields, where: string, problems: Problems): AccessTest["attributes"] {
  const node = fields.get("srcPostureAttrs");
  if (node === undefined) return null;
  const attributes: Record<string, string | number | boolean> = Object.create(null);
  for (const [key, { type, value, offset }] of readEntries(node, `${where}.srcPostureAttrs`, problems) ?? []) {
    if (type === "string" || type === "number" || type === "boolean") attributes[key.value] = value;
    else problems.error(`${where}.srcPostureAttrs: expected a string, number or boolean`, offset);
  }
  return attributes;
}
