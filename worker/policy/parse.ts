// Policy files: HuJSON text to a checked policy (policy.md 1, 2, 24). All problems of a file are found at once; the
// first is the one that the hosted service would report. What a policy means for nodes is the engine's affair.
import { POLICY_MAX_TEXT } from "../protocol/limits.ts";
import { ALLOW_ALL, lineCounter, type RuleContext, readAcls, readGrants } from "./language/access-rules.ts";
import { readGroups, readHosts, readIpsets, readTagOwners, readTags } from "./language/definitions.ts";
import { type Fields, type Note, Problems, parseDocument, quote, readFields } from "./language/document.ts";
import type { Definitions } from "./language/selector.ts";
import type { AccessRule, Policy } from "./policy.ts";

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
  if (fields === undefined) return undefined;
  refuseUnsupported(fields, problems);

  const groups = readGroups(fields.get("groups"), problems);
  const hosts = readHosts(fields.get("hosts"), problems);
  const ipsets = readIpsets(fields.get("ipsets"), hosts, problems);
  const tags = readTags(fields.get("tagOwners"), problems);
  const definitions: Definitions = { groups, hosts, ipsets, tags, postures: new Map(), domains };
  const tagOwners = readTagOwners(tags, definitions, problems);
  const context: RuleContext = { text, definitions, defaultPostures: null, problems };
  return {
    text,
    groups,
    hosts,
    ipsets,
    tagOwners,
    postures: definitions.postures,
    rules: readAccessRules(fields, context),
    ssh: [],
    nodeAttrs: [],
    autoApprovers: { routes: [], exitNode: [], services: new Map() },
    tests: [],
    sshTests: [],
    network: { derpMap: null, disableIPv4: false, oneCGNATRoute: "", randomizeClientPort: false },
  };
}

const UNSUPPORTED = SECTIONS.filter(
  (name) => !["acls", "grants", "groups", "hosts", "ipsets", "tagOwners"].includes(name),
);

function refuseUnsupported(fields: Fields, problems: Problems): void {
  for (const name of UNSUPPORTED) {
    const node = fields.get(name);
    if (node !== undefined) problems.error(`section ${quote(name)} is not supported yet`, node.offset);
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
