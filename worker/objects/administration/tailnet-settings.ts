// Tailnet settings and contacts (api-v2.md 2.12, 2.15).
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { setContact, setSettings } from "../../tailnet/commands/configuration/set-settings.ts";
import type { CONTACT_TYPES, Settings } from "../../tailnet/entities/settings.ts";
import type { ResourceContext } from "./resource-context.ts";

/** The settings of a tailnet. */
export class TailnetSettings {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** The settings in force. */
  get(): Settings {
    return this.#context.tailnet.settings;
  }

  /** Changes what is given. */
  set(changed: Partial<Settings>): Outcome<Settings> {
    return this.#context.execute((tailnet) => setSettings(tailnet, changed));
  }

  /** Names whom to write to. */
  setContact(type: (typeof CONTACT_TYPES)[number], email: string): Outcome<null> {
    return this.#context.execute((tailnet) => setContact(tailnet, type, email));
  }
}
