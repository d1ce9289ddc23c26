// Services: make, replace, rename, remove, and who may host them (api-v2.md 2.16).
import { parsePort } from "../../../protocol/control/port-span.ts";
import { SERVICE_MAX_TEXT, SERVICES_MAX } from "../../../protocol/limits.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import { allocateAddresses, isAllocatable } from "../../entities/address-pool.ts";
import { ANY_PORTS, type Service, serviceLabel } from "../../entities/configuration/virtual-address.ts";
import type { Node } from "../../entities/node.ts";
import { isLabel } from "../../entities/node-name.ts";
import { randomText } from "../../entities/secret-token.ts";
import { serviceByName } from "../../service-hosts.ts";
import { deniedTags } from "../../tag-authority.ts";
import { isAddressTaken, isPairTaken, type Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** What a caller says of a Service; absent members are cleared. */
export type ServiceSpec = Omit<Service, "id" | "ipv4" | "ipv6" | "decisions"> & {
  /** IPv4, then IPv6; either may be missing. */
  readonly addrs?: readonly string[];
};

/** Makes or replaces the Service `name`; another name in the body of an existing one renames it. */
export function putService(
  tailnet: Tailnet,
  name: string,
  { addrs = [], ...spec }: ServiceSpec,
  context: CommandContext,
): Decision<Service> {
  const known = serviceByName(tailnet, name);
  const problem = problemOf(tailnet, name, spec, known);
  if (problem !== undefined) return problem;
  const denied = deniedTags(tailnet, context.actor, newTags(spec, known));
  if (denied.length > 0) return refused({ reason: "tags-not-permitted", tags: denied });
  return known === undefined ? create(tailnet, spec, addrs, context) : replace(tailnet, known, spec, addrs);
}

/** Removes a Service. */
export function deleteService(tailnet: Tailnet, name: string): Decision<null> {
  const known = serviceByName(tailnet, name);
  if (known === undefined) return refused({ reason: "not-found", what: "service" });
  return decided(null, [{ type: "record-removed", collection: "services", id: known.id }]);
}

/** Lets a node host a Service, or forbids it. */
export function decideHost(tailnet: Tailnet, name: string, node: Node, isApproved: boolean): Decision<Service> {
  const known = serviceByName(tailnet, name);
  if (known === undefined) return refused({ reason: "not-found", what: "service" });
  const present = Object.entries(known.decisions).filter(([id]) => tailnet.nodeByStableId.has(id));
  return put({ ...known, decisions: Object.fromEntries([...present, [node.stableId, isApproved]]) });
}

type Spec = Omit<ServiceSpec, "addrs">;

function newTags({ tags = [] }: Spec, known: Service | undefined): readonly string[] {
  return tags.filter((tag) => !known?.tags?.includes(tag));
}

function problemOf(tailnet: Tailnet, name: string, spec: Spec, known: Service | undefined) {
  const invalid = (detail: string) => refused({ reason: "invalid", detail });
  if (known === undefined && spec.name !== name) return invalid("name: must be the name in the path");
  if (!/^svc:/.test(spec.name) || !isLabel(serviceLabel(spec.name))) {
    return invalid('name: "svc:" and a DNS label in lower case');
  }
  for (const port of spec.ports ?? []) {
    if (port !== ANY_PORTS && parsePort(port) === undefined) {
      return invalid(`ports: ${JSON.stringify(port.slice(0, 50))} is no TCP port such as "tcp:443"`);
    }
  }
  if (JSON.stringify(spec).length > SERVICE_MAX_TEXT) return invalid("service is too large");
  const other = serviceByName(tailnet, spec.name);
  if (tailnet.nodeByName.has(serviceLabel(spec.name)) || (other !== undefined && other.id !== known?.id)) {
    return refused({ reason: "conflict", detail: "name is already taken" });
  }
  if (known === undefined && tailnet.records.services.size >= SERVICES_MAX) {
    return invalid(`at most ${SERVICES_MAX} services`);
  }
  return undefined;
}

function create(tailnet: Tailnet, spec: Spec, addrs: readonly string[], { random }: CommandContext): Decision<Service> {
  const { counters } = tailnet;
  const pair = allocateAddresses(counters.nextAddress, { isTaken: (ipv4) => isPairTaken(tailnet, ipv4) });
  if (pair === undefined) return refused({ reason: "addresses-exhausted" });
  if (addrs.length > 1)
    return refused({ reason: "invalid", detail: "addrs: at most one IPv4 address for a new service" });
  const wanted = wantedIpv4(tailnet, addrs[0] ?? pair.ipv4, undefined);
  if (!wanted.ok) return wanted;
  const { ipv6 } = pair;
  const record: Service = { id: `s${randomText(random, 11)}CNTRL`, ...spec, ipv4: wanted.result, ipv6, decisions: {} };
  const changes: Change[] = [
    { type: "counters-put", counters: { ...counters, nextAddress: pair.nextIndex } },
    { type: "record-put", collection: "services", record },
  ];
  return decided(record, changes);
}

function replace(tailnet: Tailnet, known: Service, spec: Spec, addrs: readonly string[]): Decision<Service> {
  const [first = known.ipv4, second = known.ipv6] = addrs;
  if (addrs.length > 2 || second !== known.ipv6) {
    return refused({ reason: "invalid", detail: "addrs: the IPv6 address can not be changed" });
  }
  const wanted = wantedIpv4(tailnet, first, known);
  if (!wanted.ok) return wanted;
  return put({ id: known.id, ...spec, ipv4: wanted.result, ipv6: known.ipv6, decisions: known.decisions });
}

function wantedIpv4(tailnet: Tailnet, ipv4: string, known: Service | undefined): Decision<string> {
  if (ipv4 === known?.ipv4) return decided(ipv4);
  if (!isAllocatable(ipv4)) {
    return refused({ reason: "invalid", detail: "addrs: not a free-standing IPv4 address of 100.64.0.0/10" });
  }
  if (isAddressTaken(tailnet, ipv4)) return refused({ reason: "conflict", detail: "address is already taken" });
  return decided(ipv4);
}

function put(record: Service): Decision<Service> {
  return decided(record, [{ type: "record-put", collection: "services", record }]);
}
