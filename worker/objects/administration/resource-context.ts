// What every resource of the administration works with.
import type { AuditLog } from "../../../db/audit-log.ts";
import type { LogStreamStates } from "../../../db/log-stream-states.ts";
import type { PolicyVersions } from "../../../db/policy-versions.ts";
import type { Replacement } from "../../../db/replace-tailnet.ts";
import type { Settings } from "../../env.ts";
import type { DeviceTexts } from "../../mapper/device-texts.ts";
import type { Outcome, TailnetRuntime } from "../../runtime/tailnet-runtime.ts";
import type { Decision } from "../../tailnet/change.ts";
import type { CommandContext } from "../../tailnet/commands/registration/place-node.ts";
import type { Actor } from "../../tailnet/entities/actor.ts";
import type { Webhook } from "../../tailnet/entities/configuration/webhook.ts";
import type { Tailnet } from "../../tailnet/tailnet.ts";
import type { TransferredKeys } from "../../tailnet/transfer.ts";
import type { WebhookEvent } from "../../tailnet/webhooks/webhook-events.ts";
import type { AdministrationLimits } from "./limits.ts";

/** What the tailnet's object lends to its administration. */
export interface AdministrationPorts {
  readonly runtime: TailnetRuntime;
  readonly settings: Settings;
  /** The key that signs the sessions of the login pages. */
  readonly sessionKey: () => Uint8Array;
  readonly limits: AdministrationLimits;
  /** Public id of the tailnet, `T…CNTRL`. */
  readonly tailnetId: string;
  readonly policyVersions: PolicyVersions;
  readonly transferPort: TransferPort;
}

/** How the object is read and replaced as a whole. */
export interface TransferPort {
  /** The tailnet's own keys. */
  keys(): TransferredKeys;
  /** Digest of the file that was imported; undefined: none was. */
  importedDigest(): string | undefined;
  /** Becomes another tailnet, all of it or nothing. Whoever is connected is let go of. */
  replace(replacement: Replacement & { readonly digest: string }, actor: Actor): void;
}

/** One call: who makes it, and what it works on. */
export class ResourceContext {
  readonly actor: Actor;
  readonly settings: Settings;
  readonly sessionKey: () => Uint8Array;
  readonly limits: AdministrationLimits;
  readonly tailnetId: string;
  readonly policyVersions: PolicyVersions;
  readonly transferPort: TransferPort;
  readonly #runtime: TailnetRuntime;

  constructor(ports: AdministrationPorts, actor: Actor) {
    this.actor = actor;
    this.settings = ports.settings;
    this.sessionKey = ports.sessionKey;
    this.limits = ports.limits;
    this.tailnetId = ports.tailnetId;
    this.policyVersions = ports.policyVersions;
    this.transferPort = ports.transferPort;
    this.#runtime = ports.runtime;
  }

  /** The audit log. */
  get auditLog(): AuditLog {
    return this.#runtime.auditLog;
  }

  /** How the streams of the log fare. */
  get logStreamStates(): LogStreamStates {
    return this.#runtime.logStreamStates;
  }

  /** Sends an event to a webhook endpoint. */
  notify(webhook: Webhook, event: WebhookEvent): void {
    this.#runtime.notify(webhook, event);
  }

  /** The tailnet as it is now. */
  get tailnet(): Tailnet {
    return this.#runtime.tailnet;
  }

  /** Devices as JSON. */
  get deviceTexts(): DeviceTexts {
    return this.#runtime.deviceTexts;
  }

  /** Runs a command as the actor: stored, audited, applied and told to whom it concerns before this returns. */
  execute<T>(decide: (tailnet: Tailnet, context: CommandContext) => Decision<T>): Outcome<T> {
    return this.#runtime.execute(this.actor, decide);
  }
}
