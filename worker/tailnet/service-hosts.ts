// Who hosts which Service, and how policy rules that name one find its addresses (api-v2.md 2.16, control-protocol.md
// 8.1, policy.md 22). A host's Services are routes to the policy engine: it elects one online host per address, steers
// viewers to it and filters by what their rules allow.

import type { AccessRule, Policy, RulePart, Selector } from "../policy/policy.ts";
import { type PrefixSet, prefixSetOf } from "../policy/prefix-set.ts";
import { selectsNode } from "../policy/selection.ts";
import { type PortSpan, parsePort } from "../protocol/control/port-span.ts";
import type { Records } from "./entities/configuration/collections.ts";
import { ANY_PORTS, type ReportedService, type Service } from "./entities/configuration/virtual-address.ts";
import type { Node } from "./entities/node.ts";

/** What of a tailnet Services depend on. */
export interface ServiceWorld {
  readonly records: Records;
  readonly compiledPolicy: Policy;
}

/** How far a node got that wants to host a Service. */
export type ApprovalLevel = "not-approved" | "approved:auto" | "approved:manual";

/** One Service on one node. */
export interface Hosting {
  readonly service: Service;
  readonly level: ApprovalLevel;
  /** What the node serves covers the Service's ports, and the node is tagged. */
  readonly isReady: boolean;
  /** The node takes new connections; otherwise it drains. */
  readonly isActive: boolean;
}

/** A Service by name. */
export function serviceByName({ records }: Pick<ServiceWorld, "records">, name: string): Service | undefined {
  for (const service of records.services.values()) if (service.name === name) return service;
  return undefined;
}

/** The Services that a node reports, as far as they exist. */
export function hostingsOf(world: ServiceWorld, node: Node): readonly Hosting[] {
  const report = world.records["service-reports"].get(String(node.id));
  if (report === undefined) return [];
  return report.services.flatMap((reported) => {
    const service = serviceByName(world, reported.name);
    return service === undefined ? [] : [hostingOf(world, node, service, reported)];
  });
}

/** The Services that a node may answer for: they go into its capabilities. */
export function hostedServices(world: ServiceWorld, node: Node): readonly Service[] {
  return hostingsOf(world, node)
    .filter(isHosting)
    .map(({ service }) => service);
}

/** Addresses that a node serves beside its own, as prefixes. */
export function servedPrefixes(world: ServiceWorld, node: Node): readonly string[] {
  const active = hostingsOf(world, node).filter((hosting) => hosting.isActive && isHosting(hosting));
  return active.flatMap(({ service }) => [`${service.ipv4}/32`, `${service.ipv6}/128`]);
}

/** Whether the policy lets a node host a Service without asking. */
export function isAutoApproved({ compiledPolicy }: ServiceWorld, node: Node, service: Service): boolean {
  const subject = { tags: node.tags, ipv4: node.ipv4, ipv6: node.ipv6, loginName: null };
  return [service.name, ...(service.tags ?? [])].some((key) =>
    (compiledPolicy.autoApprovers.services.get(key) ?? []).some((approver) => selectsNode(approver, subject)),
  );
}

/** How far a node got with a Service: an administrator's word counts before the policy's. */
export function approvalLevel(world: ServiceWorld, node: Node, service: Service): ApprovalLevel {
  const decision = Object.hasOwn(service.decisions, node.stableId) ? service.decisions[node.stableId] : undefined;
  if (decision !== undefined) return decision ? "approved:manual" : "not-approved";
  return isAutoApproved(world, node, service) ? "approved:auto" : "not-approved";
}

/** The addresses of Services by name. */
export function addressesOfServices(services: Iterable<Service>): ReadonlyMap<string, PrefixSet> {
  return new Map([...services].map(({ name, ipv4, ipv6 }) => [name, prefixSetOf(ipv4, ipv6)]));
}

/** The policy with the addresses of Services in place of their names; the same object when it names none. */
export function withServices(policy: Policy, services: Iterable<Service>): Policy {
  const sets = addressesOfServices(services);
  if (!policy.rules.some(namesService)) return policy;
  const resolve = (selector: Selector): Selector => {
    const set = selector.kind === "service" ? sets.get(selector.name) : undefined;
    return set === undefined ? selector : { kind: "literal", set };
  };
  return { ...policy, rules: policy.rules.map((rule) => resolveRule(rule, resolve)) };
}

function hostingOf(world: ServiceWorld, node: Node, service: Service, reported: ReportedService): Hosting {
  return {
    service,
    level: approvalLevel(world, node, service),
    isReady: node.tags.length > 0 && coversPorts(reported.ports, service.ports ?? []),
    isActive: reported.isActive,
  };
}

function isHosting({ level, isReady }: Hosting): boolean {
  return isReady && level !== "not-approved";
}

function coversPorts(served: readonly string[], defined: readonly string[]): boolean {
  if (defined.includes(ANY_PORTS)) return true;
  const spans = served.flatMap((text) => parsePort(text) ?? []);
  return defined.every((text) => {
    const wanted = parsePort(text);
    return wanted !== undefined && spans.some((span) => contains(span, wanted));
  });
}

function contains(span: PortSpan, wanted: PortSpan): boolean {
  return span.first <= wanted.first && wanted.last <= span.last;
}

function namesService({ destinations }: AccessRule): boolean {
  return destinations.some((group) => group.some(({ kind }) => kind === "service"));
}

function resolveRule(rule: AccessRule, resolve: (selector: Selector) => Selector): AccessRule {
  if (!namesService(rule)) return rule;
  const parts = rule.parts.map((part): RulePart => {
    if (part.kind === "app") return { ...part, destinations: part.destinations.map(resolve) };
    return { ...part, entries: part.entries.map((entry) => ({ ...entry, selector: resolve(entry.selector) })) };
  });
  return { ...rule, destinations: rule.destinations.map((group) => group.map(resolve)), parts };
}
