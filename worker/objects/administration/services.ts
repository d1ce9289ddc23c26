// Services (api-v2.md 2.16).
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { type Decision, decided, refused } from "../../tailnet/change.ts";
import {
  decideHost,
  deleteService,
  putService,
  type ServiceSpec,
} from "../../tailnet/commands/configuration/manage-services.ts";
import type { Service } from "../../tailnet/entities/configuration/virtual-address.ts";
import type { Node } from "../../tailnet/entities/node.ts";
import {
  type ApprovalLevel,
  approvalLevel,
  type Hosting,
  hostingsOf,
  isAutoApproved,
  serviceByName,
} from "../../tailnet/service-hosts.ts";
import { nodeByPublicId } from "../../tailnet/tailnet.ts";
import type { ResourceContext } from "./resource-context.ts";

/** A node that offers to host a Service. */
export interface ServiceHost {
  readonly stableNodeID: string;
  readonly approvalLevel: ApprovalLevel;
  readonly configured: "ready" | "misconfigured" | "draining";
}

/** Whether a node may host a Service. */
export interface HostApproval {
  readonly approved: boolean;
  readonly autoApproved: boolean;
}

/** The Services of a tailnet. */
export class Services {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** All Services, oldest first. */
  list(): Service[] {
    return [...this.#context.tailnet.records.services.values()];
  }

  /** One Service by name. */
  get(name: string): Service | null {
    return serviceByName(this.#context.tailnet, name) ?? null;
  }

  /** Makes or replaces a Service. */
  put(name: string, spec: ServiceSpec): Outcome<Service> {
    return this.#context.execute((tailnet, context) => putService(tailnet, name, spec, context));
  }

  /** Removes a Service. */
  remove(name: string): Outcome<null> {
    return this.#context.execute((tailnet) => deleteService(tailnet, name));
  }

  /** Nodes that offer to host a Service; null: there is no such Service. */
  hosts(name: string): ServiceHost[] | null {
    const { tailnet } = this.#context;
    if (serviceByName(tailnet, name) === undefined) return null;
    return [...tailnet.nodes.values()].flatMap((node) => {
      const hosting = hostingsOf(tailnet, node).find(({ service }) => service.name === name);
      return hosting === undefined ? [] : [toHost(node, hosting)];
    });
  }

  /** Whether a node may host a Service. */
  approval(name: string, nodeId: string): Outcome<HostApproval> {
    const found = this.#find(name, nodeId);
    return found.ok ? { ok: true, result: this.#approvalOf(found.result) } : found;
  }

  /** Lets a node host a Service, or forbids it. */
  approve(name: string, nodeId: string, isApproved: boolean): Outcome<HostApproval> {
    const found = this.#find(name, nodeId);
    if (!found.ok) return found;
    const { node } = found.result;
    const outcome = this.#context.execute((tailnet) => decideHost(tailnet, name, node, isApproved));
    return outcome.ok ? { ok: true, result: this.#approvalOf({ node, service: outcome.result }) } : outcome;
  }

  #find(name: string, nodeId: string): Decision<{ readonly node: Node; readonly service: Service }> {
    const { tailnet } = this.#context;
    const service = serviceByName(tailnet, name);
    if (service === undefined) return refused({ reason: "not-found", what: "service" });
    const node = nodeByPublicId(tailnet, nodeId);
    if (node === undefined) return refused({ reason: "not-found", what: "device" });
    return decided({ node, service });
  }

  #approvalOf({ node, service }: { readonly node: Node; readonly service: Service }): HostApproval {
    const { tailnet } = this.#context;
    return {
      approved: approvalLevel(tailnet, node, service) !== "not-approved",
      autoApproved: isAutoApproved(tailnet, node, service),
    };
  }
}

function toHost(node: Node, { level, isReady, isActive }: Hosting): ServiceHost {
  const configured = isReady && !isActive ? "draining" : "ready";
  return { stableNodeID: node.stableId, approvalLevel: level, configured: isReady ? configured : "misconfigured" };
}
