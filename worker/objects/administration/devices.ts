// Devices: list, show, change (api-v2.md 2.1 to 2.4).
import {
  type Device,
  type DeviceDetails,
  type DeviceFilter,
  type DeviceRoutes,
  meetsFilters,
  toDevice,
  toDeviceDetails,
  toDeviceRoutes,
} from "../../mapper/to-device.ts";
import { DEVICE_PAGE_MAX } from "../../protocol/limits.ts";
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { type Decision, decided, refused } from "../../tailnet/change.ts";
import {
  approveRoutes,
  authorizeNode,
  deleteNode,
  expireNode,
  readdressNode,
  renameNode,
  setKeyExpiryDisabled,
  tagNode,
} from "../../tailnet/commands/nodes/administer-node.ts";
import type { CommandContext } from "../../tailnet/commands/registration/place-node.ts";
import type { Node } from "../../tailnet/entities/node.ts";
import { nodeByPublicId } from "../../tailnet/tailnet.ts";
import type { ResourceContext } from "./resource-context.ts";

/** Which devices to list, and with which fields. */
export interface DeviceQuery {
  readonly hasAllFields: boolean;
  readonly filters: readonly DeviceFilter[];
  /** Devices of this user alone; null: everybody's. */
  readonly ownerId: number | null;
}

/** A part of a device list. */
export interface DevicePage {
  /** The devices as JSON, separated by commas; empty when there are none. */
  readonly json: string;
  /** Where the next page starts; null: this was the last. */
  readonly next: number | null;
}

/** A change that an administrator makes to a device. */
export type DeviceAction =
  | { readonly type: "delete" }
  | { readonly type: "expire" }
  | { readonly type: "authorize"; readonly isAuthorized: boolean }
  | { readonly type: "disable-key-expiry"; readonly isDisabled: boolean }
  | { readonly type: "rename"; readonly name: string }
  | { readonly type: "readdress"; readonly ipv4: string }
  | { readonly type: "tag"; readonly tags: readonly string[] };

/** The devices of a tailnet. */
export class Devices {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Devices in order of creation from node number `from` on, as many as fit one answer. */
  list(query: DeviceQuery, from: number): DevicePage {
    const all = [...this.#context.tailnet.nodes.values()];
    const nodes = all.filter((node) => node.id >= from).sort((a, b) => a.id - b.id);
    const parts: string[] = [];
    let size = 0;
    for (const node of nodes) {
      if (size > DEVICE_PAGE_MAX) return { json: parts.join(","), next: node.id };
      const part = this.#listed(node, query);
      if (part === undefined) continue;
      parts.push(part);
      size += part.length;
    }
    return { json: parts.join(","), next: null };
  }

  /** One device by stable id or number, if `ownerId` is null or its owner. */
  get(id: string, hasAllFields: boolean, ownerId: number | null): Device | DeviceDetails | null {
    const node = this.#nodeOf(id, ownerId);
    if (node === undefined) return null;
    return (hasAllFields ? toDeviceDetails : toDevice)(this.#context.tailnet, node, this.#context.settings);
  }

  /** Changes a device, if `ownerId` is null or its owner. */
  change(id: string, action: DeviceAction, ownerId: number | null): Outcome<null> {
    return this.#context.execute((_, context) => {
      const node = this.#nodeOf(id, ownerId);
      if (node === undefined) return refused({ reason: "not-found", what: "device" });
      const decision = this.#decide(node, action, context);
      return decision.ok ? decided(null, decision.changes) : decision;
    });
  }

  /** Routes of a device, if `ownerId` is null or its owner. */
  routes(id: string, ownerId: number | null): DeviceRoutes | null {
    const node = this.#nodeOf(id, ownerId);
    return node === undefined ? null : toDeviceRoutes(node);
  }

  /** Sets the approved routes of a device, if `ownerId` is null or its owner. */
  setRoutes(id: string, routes: readonly string[], ownerId: number | null): Outcome<DeviceRoutes> {
    return this.#context.execute((): Decision<DeviceRoutes> => {
      const node = this.#nodeOf(id, ownerId);
      if (node === undefined) return refused({ reason: "not-found", what: "device" });
      const decision = approveRoutes(node, routes);
      return decision.ok ? decided(toDeviceRoutes(decision.result), decision.changes) : decision;
    });
  }

  #nodeOf(id: string, ownerId: number | null): Node | undefined {
    const node = nodeByPublicId(this.#context.tailnet, id);
    return ownerId === null || node?.userId === ownerId ? node : undefined;
  }

  /** A device's entry in a list; undefined when the query does not want it. */
  #listed(node: Node, { hasAllFields, filters, ownerId }: DeviceQuery): string | undefined {
    const { tailnet, settings, deviceTexts } = this.#context;
    if (ownerId !== null && node.userId !== ownerId) return undefined;
    if (!hasAllFields && filters.length === 0) return deviceTexts.of(tailnet, node);
    const details = toDeviceDetails(tailnet, node, settings);
    if (!meetsFilters(details, filters)) return undefined;
    return hasAllFields ? JSON.stringify(details) : deviceTexts.of(tailnet, node);
  }

  #decide(node: Node, action: DeviceAction, context: CommandContext): Decision<unknown> {
    const { tailnet, settings } = this.#context;
    switch (action.type) {
      case "delete":
        return deleteNode(node);
      case "expire":
        return expireNode(node, context.now);
      case "authorize":
        return authorizeNode(node, action.isAuthorized);
      case "disable-key-expiry":
        return setKeyExpiryDisabled(node, action.isDisabled);
      case "rename":
        return renameNode(tailnet, node, action.name, settings.magicDnsSuffix);
      case "readdress":
        return readdressNode(tailnet, node, action.ipv4);
      case "tag":
        return tagNode(tailnet, node, action.tags, context);
    }
  }
}
