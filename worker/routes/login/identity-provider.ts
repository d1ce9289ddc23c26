// How a person proves at a browser who they are. One way so far: an API token of theirs. Single sign-on will be another
// entry in the list.

import type { RemoteAdministration } from "../../middleware/tailnet-for.ts";
import type { User } from "../../tailnet/entities/user.ts";

/** One way to sign in by a form. */
export interface IdentityProvider {
  /** Where the form is sent: `/login/<id>`. */
  readonly id: string;
  /** What the button says. */
  readonly label: string;
  /** The field that the person fills in. */
  readonly field: { readonly label: string; readonly autocomplete: string };
  /** The user behind what was filled in; null when it proves nothing. */
  identify(value: string, administration: RemoteAdministration): Promise<User | null>;
}

const apiToken: IdentityProvider = {
  id: "token",
  label: "Sign in",
  field: { label: "API token (tskey-api-…)", autocomplete: "current-password" },
  identify: async (value, administration) => await administration.access.identify(value.trim()),
};

/** The ways to sign in, in the order of the sign-in page. */
export const IDENTITY_PROVIDERS: readonly IdentityProvider[] = [apiToken];
