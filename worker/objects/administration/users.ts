// Users: list, show, change (api-v2.md 2.9).
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { refused } from "../../tailnet/change.ts";
import { changeUser, type UserAction } from "../../tailnet/commands/users/manage-users.ts";
import type { User } from "../../tailnet/entities/user.ts";
import type { Tailnet } from "../../tailnet/tailnet.ts";
import type { ResourceContext } from "./resource-context.ts";

/** A user with what their devices tell. */
export interface UserRecord extends User {
  readonly deviceCount: number;
  readonly isConnected: boolean;
  /** When a device of theirs was last seen to leave; null: never. It does not move while they are connected. */
  readonly lastSeenAt: number | null;
}

/** The users of a tailnet. */
export class Users {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** All users, oldest first. */
  list(): UserRecord[] {
    const { tailnet } = this.#context;
    return [...tailnet.users.values()].sort((a, b) => a.id - b.id).map((user) => toUserRecord(tailnet, user));
  }

  /** One user, by public id or number. */
  get(id: string): UserRecord | null {
    const user = this.#userOf(id);
    return user === undefined ? null : toUserRecord(this.#context.tailnet, user);
  }

  /** Changes a user; a suspended one's devices, keys and tokens stop working at once. */
  change(id: string, action: UserAction): Outcome<null> {
    return this.#context.execute((tailnet, { actor }) => {
      const user = this.#userOf(id);
      return user === undefined
        ? refused({ reason: "not-found", what: "user" })
        : changeUser(tailnet, user, action, actor);
    });
  }

  #userOf(id: string): User | undefined {
    const { users } = this.#context.tailnet;
    if (/^\d{1,15}$/.test(id)) return users.get(Number(id));
    return [...users.values()].find(({ stableId }) => stableId === id);
  }
}

function toUserRecord(tailnet: Tailnet, user: User): UserRecord {
  const devices = [...tailnet.nodes.values()].filter(({ userId }) => userId === user.id);
  const seen = devices.flatMap(({ lastSeenAt }) => lastSeenAt ?? []);
  return {
    ...user,
    deviceCount: devices.length,
    isConnected: devices.some(({ isOnline }) => isOnline),
    lastSeenAt: seen.length === 0 ? null : Math.max(...seen),
  };
}
