// The sections that define names: groups, hosts, ipsets and tagOwners (policy.md 8).
import { type AddressRange, parseRange } from "../../protocol/ip.ts";
import type { Selector } from "../policy.ts";
import { INTERNET, NOTHING, type PrefixSet, prefixSet, subtract, union } from "../prefix-set.ts";
import { type Node, type Problems, quote, readEntries, readText, readTexts, type Text } from "./document.ts";
import { type Definitions, foldLogin, readSelector } from "./selector.ts";

/** Reads `groups`: group name → logins of its members. */
export function readGroups(node: Node | undefined, problems: Problems): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, readonly string[]>();
  if (node === undefined) return groups;
  const entries = readEntries(node, "groups", problems) ?? [];
  // The service reports the offence in the group with the greatest name first.
  entries.sort(([a], [b]) => (a.value < b.value ? 1 : -1));
  for (const [key, value] of entries) {
    const where = `groups[${quote(key.value)}]`;
    if (!/^group:./.test(key.value)) problems.error(`${where}: group names must start with 'group:'`, key.at);
    const members = readTexts(value, where, problems);
    for (const member of members) checkMember(member, where, problems);
    groups.set(key.value, [...new Set(members.map((member) => foldLogin(member.value)))]);
  }
  return groups;
}

function checkMember(member: Text, where: string, problems: Problems): void {
  if (member.value.startsWith("group:")) {
    problems.error(`${where}: ${quote(member.value)}: group members cannot be recursive`, member.at);
  } else if (!member.value.includes("@") || /^(tag|autogroup|user|ipset|svc):/.test(member.value)) {
    problems.error(`${where}: ${quote(member.value)}: group members must be users`, member.at);
  }
}

/** Reads `hosts`: alias → address or CIDR. */
export function readHosts(node: Node | undefined, problems: Problems): ReadonlyMap<string, PrefixSet> {
  const hosts = new Map<string, PrefixSet>();
  if (node === undefined) return hosts;
  for (const [key, value] of readEntries(node, "hosts", problems) ?? []) {
    const where = `hosts[${quote(key.value)}]`;
    if (key.value === "" || /[@:*\s]/.test(key.value) || parseRange(key.value) !== undefined) {
      problems.error(`${where}: invalid host name`, key.at);
    }
    const text = readText(value, where, problems);
    if (text === undefined) continue;
    const range = text.value.includes("-") ? undefined : parseRange(text.value);
    if (range === undefined) problems.error(`${where}: ${quote(text.value)}: invalid address`, text.at);
    else hosts.set(key.value, [range]);
  }
  return hosts;
}

/** Reads `ipsets`: name → set of addresses, each made of `add` and `remove` operations in order. */
export function readIpsets(
  node: Node | undefined,
  hosts: ReadonlyMap<string, PrefixSet>,
  problems: Problems,
): ReadonlyMap<string, PrefixSet> {
  const written = new Map<string, IpsetText>();
  for (const [key, value] of node === undefined ? [] : (readEntries(node, "ipsets", problems) ?? [])) {
    const where = `ipsets[${quote(key.value)}]`;
    if (!/^ipset:[^\s]+$/.test(key.value)) problems.error(`${where}: ipset names must start with 'ipset:'`, key.at);
    written.set(key.value, { where, operations: readTexts(value, where, problems) });
  }
  const resolver = new IpsetResolver(written, hosts, problems);
  for (const [name, { operations }] of written) resolver.resolve(name, operations[0]?.at ?? 0);
  return resolver.sets;
}

interface IpsetText {
  readonly where: string;
  readonly operations: readonly Text[];
}

/** Longest chain of ipsets within ipsets. */
const MAX_IPSET_DEPTH = 50;
/** Ranges that may be handled in all while the ipsets of one file are computed; keeps hostile files cheap. */
const MAX_IPSET_WORK = 1_000_000;

/** Computes the ipsets of one file, each once, whatever order they are written in. */
class IpsetResolver {
  readonly sets = new Map<string, PrefixSet>();
  readonly #written: ReadonlyMap<string, IpsetText>;
  readonly #hosts: ReadonlyMap<string, PrefixSet>;
  readonly #problems: Problems;
  readonly #pending = new Set<string>();
  #work = 0;

  constructor(written: ReadonlyMap<string, IpsetText>, hosts: ReadonlyMap<string, PrefixSet>, problems: Problems) {
    this.#written = written;
    this.#hosts = hosts;
    this.#problems = problems;
  }

  resolve(name: string, at: number): PrefixSet {
    const known = this.sets.get(name);
    if (known !== undefined) return known;
    const text = this.#written.get(name);
    if (text === undefined) return this.#refuse(`ipset not found: ${quote(name)}`, at);
    if (this.#pending.has(name)) return this.#refuse(`${text.where}: an ipset cannot contain itself`, at);
    if (this.#pending.size >= MAX_IPSET_DEPTH) return this.#refuse(`${text.where}: nested too deeply`, at);
    this.#pending.add(name);
    const set = this.#apply(text);
    this.#pending.delete(name);
    this.sets.set(name, set);
    return set;
  }

  #apply({ where, operations }: IpsetText): PrefixSet {
    const removes = operations.some((operation) => /^remove\s/.test(operation.value));
    let set = NOTHING;
    let added: AddressRange[] = [];
    for (const { value, at } of operations) {
      const match = /^(add|remove)\s+(.*)$/.exec(value);
      if (match === null && removes) {
        this.#problems.error(`${where}: ${quote(value)}: write 'add' or 'remove' before each entry`, at);
      }
      const operand = this.#operand(where, match?.[2] ?? value, at);
      this.#work += operand.length;
      if (match?.[1] === "remove") {
        this.#work += set.length + added.length;
        set = subtract(union(set, prefixSet(added)), operand);
        added = [];
      }
      if (this.#work > MAX_IPSET_WORK) return this.#refuse(`${where}: the ipsets of this file are too large`, at);
      if (match?.[1] !== "remove") for (const range of operand) added.push(range);
    }
    return union(set, prefixSet(added));
  }

  #operand(where: string, text: string, at: number): PrefixSet {
    if (text === "autogroup:internet") return INTERNET;
    if (text.startsWith("ipset:")) return this.resolve(text, at);
    const range = parseRange(text);
    if (range !== undefined) return [range];
    return this.#hosts.get(text.replace(/^host:/, "")) ?? this.#refuse(`${where}: ${quote(text)}: invalid address`, at);
  }

  #refuse(message: string, at: number): PrefixSet {
    this.#problems.error(message, at);
    return NOTHING;
  }
}

/** A declared tag: where its owners are written. */
export type DeclaredTags = ReadonlyMap<string, Node>;

/** Reads the keys of `tagOwners`, so that owners may name tags that are declared later. */
export function readTags(node: Node | undefined, problems: Problems): DeclaredTags {
  const tags = new Map<string, Node>();
  for (const [key, value] of node === undefined ? [] : (readEntries(node, "tagOwners", problems) ?? [])) {
    const fault = tagNameFault(key.value);
    if (fault !== undefined) problems.error(`tagOwners[${quote(key.value)}]: ${fault}`, key.at);
    tags.set(key.value, value);
  }
  return tags;
}

/** The reason why a text is no tag; undefined when it is one. */
function tagNameFault(tag: string): string | undefined {
  if (!tag.startsWith("tag:")) return "tags must start with 'tag:'";
  if (!/^tag:[A-Za-z]/.test(tag)) return "tag names must start with a letter, after 'tag:'";
  return /^tag:[A-Za-z0-9-]+$/.test(tag) ? undefined : "tag names can only contain numbers, letters, or dashes";
}

/** Reads the owners of the declared tags. */
export function readTagOwners(
  tags: DeclaredTags,
  definitions: Definitions,
  problems: Problems,
): ReadonlyMap<string, readonly Selector[]> {
  const owners = new Map<string, readonly Selector[]>();
  for (const [tag, node] of tags) {
    owners.set(tag, readIdentities(node, `tagOwners[${quote(tag)}]`, definitions, problems));
  }
  return owners;
}

/** Reads a list of owners or approvers: users, groups, tags and autogroups of these. */
export function readIdentities(node: Node, where: string, definitions: Definitions, problems: Problems): Selector[] {
  const selectors: Selector[] = [];
  for (const text of node.type === "null" ? [] : readTexts(node, where, problems)) {
    const selector = readSelector(text.value, "owner", definitions);
    if (typeof selector === "string") problems.error(`${where}: ${selector}`, text.at);
    else selectors.push(selector);
  }
  return selectors;
}
