// Policy files: HuJSON text to a checked policy (policy.md 1, 2, 24). All problems of a file are found at once; the
// first is the one that the hosted service would report. What a policy means for nodes is the engine's affair.
import { POLICY_MAX_TEXT } from "../protocol/limits.ts";
import { readSSHTests, readTests } from "./language/assertions.ts";
import { readGroups, readHosts, readIpsets, readTagOwners, readTags } from "./language/definitions.ts";
import { type Fields, type Node, type Note, Problems, parseDocument, readFields } from "./language/document.ts";
import { readAutoApprovers, readNetworkOptions } from "./language/network-options.ts";
import { readNodeAttributes } from "./language/node-attributes.ts";
import { readAttributeConfig, readPostures } from "./language/postures.ts";
import { lineCounter, type RuleContext, readPostureNames } from "./language/rule-context.ts";
import { ALLOW_ALL, readAcls, readGrants } from "./language/rules/access-rules.ts";
import { readSSHRules } from "./language/rules/ssh-rules.ts";
import type { Definitions } from "./language/selector.ts";
import type { AccessRule, Policy, Posture } from "./policy.ts";

export type { Policy } from "./policy.ts";

/** Something wrong, or doubtful, in a policy file. Line and column count from 1; the column in UTF-16 units. */
export interface PolicyProblem {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** A policy, or what is wrong with the file. The first problem is the one that the hosted service reports. */
export type ParseResult =
  | { readonly ok: true; readonly policy: Policy; readonly warnings: readonly PolicyProblem[] }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

const SECTIONS = [
  "acls",
  "grants",
  "ssh",
  "groups",
  "hosts",
  "ipsets",
  "tagOwners",
  "autoApprovers",
  "nodeAttrs",
  "postures",
  "defaultSrcPosture",
  "attrConfig",
  "tests",
  "sshTests",
  "derpMap",
  "disableIPv4",
  "OneCGNATRoute",
  "randomizeClientPort",
];

/** Parses and checks a policy file. `domains` are those that belong to the tailnet; without them any domain passes. */
export function parsePolicy(text: string, domains?: readonly string[]): ParseResult {
  const problems = new Problems();
  const policy = text.length > POLICY_MAX_TEXT ? undefined : readPolicy(text, domains ?? null, problems);
  if (text.length > POLICY_MAX_TEXT) problems.error(`the policy file is larger than ${POLICY_MAX_TEXT} characters`, 0);
  if (policy === undefined || problems.errors.length > 0) return { ok: false, problems: locate(problems.errors, text) };
  return { ok: true, policy, warnings: locate(problems.warnings, text) };
}

function readPolicy(text: string, domains: readonly string[] | null, problems: Problems): Policy | undefined {
  const root = parseDocument(text, problems);
  const fields = root && readFields(root, "policy", SECTIONS, problems);
  if (root === undefined || fields === undefined) return undefined;

  // Definitions first, then rules section by section, tests last: the order in which the service reports.
  const groups = readGroups(fields.get("groups"), problems);
  const hosts = readHosts(fields.get("hosts"), problems);
  const ipsets = readIpsets(fields.get("ipsets"), hosts, problems);
  const tags = readTags(fields.get("tagOwners"), problems);
  const postures = readPostures(fields.get("postures"), problems);
  const attributeConfig = readAttributeConfig(fields.get("attrConfig"), problems);
  const definitions: Definitions = { groups, hosts, ipsets, tags, postures, domains };
  const context = { text, definitions, defaultPostures: readDefaultPostures(fields, definitions, problems), problems };
  refuseBothMembers(root, problems);
  return {
    text,
    groups,
    hosts,
    ipsets,
    postures,
    attributeConfig,
    tagOwners: readTagOwners(tags, definitions, problems),
    rules: readAccessRules(fields, context),
    ssh: readSSHRules(fields.get("ssh"), context),
    nodeAttrs: readNodeAttributes(fields.get("nodeAttrs"), definitions, problems),
    autoApprovers: readAutoApprovers(fields.get("autoApprovers"), definitions, problems),
    network: readNetworkOptions(fields, problems),
    tests: readTests(fields.get("tests"), context),
    sshTests: readSSHTests(fields.get("sshTests"), context),
  };
}

function readDefaultPostures(fields: Fields, definitions: Definitions, problems: Problems): readonly Posture[] | null {
  const node = fields.get("defaultSrcPosture");
  const postures = node === undefined ? [] : readPostureNames(node, "defaultSrcPosture", definitions, problems);
  return postures.length === 0 ? null : postures;
}

/** A file must keep to one spelling of autogroup:member and its alias (policy.md 4.3). */
function refuseBothMembers(root: Node, problems: Problems): void {
  const found = new Map<string, number>();
  const visit = (node: Node) => {
    const match = node.type === "string" ? /^\s*(autogroup:members?)(?=$|[\s:])/.exec(node.value) : null;
    if (match?.[1] !== undefined) found.set(match[1], node.offset);
    for (const child of node.children ?? []) visit(child);
  };
  visit(root);
  if (found.size === 2) {
    const at = found.get("autogroup:members") ?? 0;
    problems.error("autogroup:member and autogroup:members cannot both be used in one file", at);
  }
}

/** Grants come before acls, whatever their order in the file; a file without both allows everything. */
function readAccessRules(fields: Fields, context: RuleContext): readonly AccessRule[] {
  const acls = fields.get("acls");
  const grants = fields.get("grants");
  if (acls === undefined && grants === undefined) return [ALLOW_ALL];
  const fromAcls = acls === undefined ? [] : readAcls(acls, context);
  return [...(grants === undefined ? [] : readGrants(grants, context)), ...fromAcls];
}

function locate(notes: readonly Note[], text: string): PolicyProblem[] {
  const byOffset = [...notes].sort((a, b) => a.at - b.at);
  const lines = lineCounter(text);
  const located = new Map<Note, PolicyProblem>();
  for (const note of byOffset) {
    const column = note.at === 0 ? 1 : note.at - text.lastIndexOf("\n", note.at - 1);
    located.set(note, { message: note.message, line: lines(note.at), column });
  }
  return notes.map((note) => located.get(note) as PolicyProblem);
}
