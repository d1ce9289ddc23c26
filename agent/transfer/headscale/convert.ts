// A headscale database as a file to be imported. Numbers of nodes stay, those of users move behind the numbers that are
// kept for others here; machine keys, node keys, names and addresses stay, so that clients notice nothing.
import { createHash, randomBytes, randomInt } from "node:crypto";
import { formatTransfer, type TransferLine } from "../../../worker/protocol/transfer/document.ts";
import { toNodeRecord } from "./convert-node.ts";
import type { HeadscaleRows, Row } from "./read-database.ts";
import { flag, instant, list, text } from "./row-values.ts";

/** What the database does not say. */
export interface ConversionOptions {
  /** Content of headscale's key file. */
  readonly noiseKey: string;
  /** Absent: the policy of the database, or none. */
  readonly policy?: string;
  /** Name or email address of the owner; undefined: whoever imports. */
  readonly owner: string | undefined;
  readonly loginDomain: string;
  readonly now: number;
}

/** A pre-auth key and what stands in for it. */
export interface ConvertedKey {
  /** How headscale shows it. */
  readonly was: string;
  readonly text: string;
}

/** A file to be imported, and the keys that are new in it. */
export interface Conversion {
  readonly text: string;
  readonly keys: readonly ConvertedKey[];
}

/** Numbers of users below are kept. */
const FIRST_USER = 100;
/** What headscale does without a policy: everybody reaches everything. */
const ALLOW_ALL = '{\n\t"acls": [{ "action": "accept", "src": ["*"], "dst": ["*:*"] }],\n}\n';
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Converts a database. @throws Error that names what can not be moved */
export function convertHeadscale(rows: HeadscaleRows, options: ConversionOptions): Conversion {
  const noise = /^privkey:([0-9a-f]{64})$/.exec(options.noiseKey.trim())?.[1];
  if (noise === undefined) throw new Error("the key file of headscale must hold privkey: and 64 hex digits");
  const logins = new Map(rows.users.map((user) => [Number(user.id), loginNameOf(user, options.loginDomain)]));
  const ownerId = options.owner === undefined ? undefined : ownerOf(rows.users, options.owner);
  const keys = rows.preAuthKeys.filter((key) => isUsable(key, options.now)).map((key) => toAuthKey(key, options.now));
  const ephemeral = new Set(rows.preAuthKeys.filter((key) => flag(key, "ephemeral")).map((key) => Number(key.id)));
  const counters = {
    nextNodeId: 1 + Math.max(0, ...rows.nodes.map((node) => Number(node.id))),
    nextUserId: FIRST_USER + 1 + Math.max(0, ...logins.keys()),
    nextAddress: 1,
  };
  const policy = { text: policyOf(rows, options, logins), isDefault: false, savedAt: options.now, author: "headscale" };
  const lines: TransferLine[] = [
    { kind: "private-key", record: { purpose: "noise", hex: noise } },
    { kind: "settings", record: {} },
    { kind: "counters", record: counters },
    { kind: "policy", record: policy },
    ...rows.users.map((user): TransferLine => ({ kind: "user", record: toUser(user, logins, ownerId) })),
    ...rows.nodes.map((node): TransferLine => {
      const place = {
        stableId: `n${randomBytes(6).toString("hex")}CNTRL`,
        firstUser: FIRST_USER,
        isEphemeral: ephemeral.has(Number(node.auth_key_id)),
      };
      return { kind: "node", record: toNodeRecord(node, place) };
    }),
    ...keys.map(({ record }): TransferLine => ({ kind: "auth-key", record })),
  ];
  const header = { exportedAt: new Date(options.now).toISOString(), tailnet: "headscale", magicDnsSuffix: "" };
  return { text: formatTransfer(header, lines), keys: keys.map(({ was, text: made }) => ({ was, text: made })) };
}

function loginNameOf(user: Row, domain: string): string {
  const [name, email] = [text(user, "name"), text(user, "email")];
  const login =
    [email, name].find((each) => /^[^\s@]{1,64}@[^\s@]+$/.test(each)) ?? `${name.replaceAll(/[\s@]+/g, "-")}@${domain}`;
  return login.toLowerCase();
}

function ownerOf(users: readonly Row[], wanted: string): number {
  const found = users.filter((user) => [text(user, "name"), text(user, "email")].includes(wanted));
  if (found.length === 1) return Number(found[0]?.id);
  const names = users.map((user) => text(user, "name")).join(", ");
  throw new Error(
    `--owner: ${found.length === 0 ? "no user" : "more than one user"} is called ${wanted}; there are: ${names}`,
  );
}

function toUser(user: Row, logins: ReadonlyMap<number, string>, ownerId: number | undefined) {
  const id = Number(user.id);
  return {
    id: FIRST_USER + id,
    stableId: `u${randomText(11)}CNTRL`,
    loginName: logins.get(id) ?? "",
    displayName: text(user, "display_name") || text(user, "name"),
    profilePicUrl: text(user, "profile_pic_url"),
    role: id === ownerId ? "owner" : "member",
    isSuspended: false,
    isApproved: true,
    createdAt: instant(user, "created_at") ?? 0,
  };
}

/** headscale names a user in a policy by name and an @ at its end; here login names stand. */
function policyOf(rows: HeadscaleRows, options: ConversionOptions, logins: ReadonlyMap<number, string>): string {
  const given = options.policy ?? rows.policy ?? ALLOW_ALL;
  return rows.users.reduce((policy, user) => {
    const name = text(user, "name").replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const login = logins.get(Number(user.id)) ?? "";
    return policy.replaceAll(new RegExp(`(?<=["\\s])${name}@(?=[":])`, "g"), login);
  }, given);
}

function isUsable(key: Row, now: number): boolean {
  const expiresAt = instant(key, "expiration");
  const isOver = expiresAt === null || expiresAt <= now || instant(key, "revoked") !== null;
  return !isOver && (flag(key, "reusable") || !flag(key, "used"));
}

function toAuthKey(key: Row, now: number) {
  const id = `k${randomText(11)}CNTRL`;
  const secret = randomText(32);
  const tags = [...new Set(list(key, "tags"))].sort();
  const userId = key.user_id;
  const record = {
    id,
    hash: createHash("sha256").update(secret).digest("hex"),
    description: "from headscale",
    userId: tags.length > 0 || typeof userId !== "number" ? null : FIRST_USER + userId,
    isReusable: flag(key, "reusable"),
    isEphemeral: flag(key, "ephemeral"),
    isPreauthorized: true,
    tags,
    createdAt: now,
    expiresAt: instant(key, "expiration") ?? now,
    revokedAt: null,
    usedAt: null,
  };
  const was = text(key, "prefix") === "" ? `pre-auth key ${String(key.id)}` : `hskey-auth-${text(key, "prefix")}`;
  return { was, text: `tskey-auth-${id}-${secret}`, record };
}

function randomText(length: number): string {
  return Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}
