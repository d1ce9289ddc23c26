// The domains of a tailnet, which `user:*@domain` and `localpart:*@domain` of its policy may name (policy.md 4.2, 16.1):
// those of the logins of its owner and administrators. A guest's mail provider is not the tailnet's, and a rule for all
// of its customers would be a mistake.
import { isAdministrator, type User } from "./entities/user.ts";

/** The domains that belong to a tailnet with these users. */
export function domainsOf({ users }: { readonly users: ReadonlyMap<number, User> }): readonly string[] {
  const administrators = [...users.values()].filter((user) => isAdministrator(user) && !user.isSuspended);
  return [...new Set(administrators.map(({ loginName }) => loginName.slice(loginName.lastIndexOf("@") + 1)))];
}
