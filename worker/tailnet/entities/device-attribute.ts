// Device posture attributes (policy.md 18, api-v2.md 2.5): `custom:*`, which administrators and, where the policy lets
// them, nodes set; and `node:*`, which the server reads from what the node says of itself. Absent here is `ip:country`:
// between a node and this server stands a gateway, whose word on addresses is a hint and nothing to grant access by.
import type { PostureValue } from "../../policy/engine.ts";
import type { Hostinfo } from "../../protocol/control/hostinfo.ts";

/** One attribute that was set. */
export interface DeviceAttribute {
  readonly value: PostureValue;
  /** Milliseconds since 1970; null: stays. */
  readonly expiresAt: number | null;
}

/** Attributes by name, as written when they were set. */
export type DeviceAttributes = Readonly<Record<string, DeviceAttribute>>;

const KEY = /^custom:[A-Za-z0-9_:]+$/;
const KEY_MAX_LENGTH = 128;
const TEXT = /^[A-Za-z0-9_.]{0,50}$/;

/** What is wrong with the name of an attribute that somebody wants to set; undefined when nothing is. */
export function keyProblem(key: string): string | undefined {
  if (!key.startsWith("custom:")) return "only attributes in the namespace custom: can be set";
  if (key.length > KEY_MAX_LENGTH) return `attribute name is longer than ${KEY_MAX_LENGTH} characters`;
  return KEY.test(key) ? undefined : "attribute name may hold letters, digits, _ and : only";
}

/** What is wrong with a value; undefined when nothing is. */
export function valueProblem(value: unknown): string | undefined {
  if (typeof value === "boolean") return undefined;
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? undefined : "a number must be an integer between -(2^53-1) and 2^53-1";
  }
  if (typeof value !== "string") return "value must be a string, a number or a boolean";
  return TEXT.test(value) ? undefined : "a string must have at most 50 letters, digits, _ and . characters";
}

/** When the first of the attributes expires; Infinity for never. */
export function firstExpiry(attributes: DeviceAttributes): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { expiresAt } of Object.values(attributes)) if (expiresAt !== null) first = Math.min(first, expiresAt);
  return first;
}

/** The attributes that have not expired; the same record when none has. */
export function withoutExpired(attributes: DeviceAttributes, now: number): DeviceAttributes {
  if (firstExpiry(attributes) > now) return attributes;
  const left = Object.entries(attributes).filter(([, { expiresAt }]) => expiresAt === null || expiresAt > now);
  return Object.fromEntries(left);
}

/** All attributes of a node, as postures see them. */
export function postureOf(hostinfo: Hostinfo, attributes: DeviceAttributes): Readonly<Record<string, PostureValue>> {
  const set = Object.entries(attributes).map(([key, { value }]) => [key, value] as const);
  return set.length === 0
    ? builtInAttributes(hostinfo)
    : { ...builtInAttributes(hostinfo), ...Object.fromEntries(set) };
}

/** Attributes that follow from Hostinfo (policy.md 18); those that the node does not tell are absent. */
export function builtInAttributes(hostinfo: Hostinfo): Readonly<Record<string, PostureValue>> {
  const attributes: Record<string, PostureValue> = {};
  const { OS, OSVersion, IPNVersion, AllowsUpdate, StateEncrypted } = hostinfo;
  if (isName(OS)) attributes["node:os"] = OS.toLowerCase();
  if (isName(OSVersion)) attributes["node:osVersion"] = OSVersion;
  if (isName(IPNVersion)) {
    const version = /^\d+\.(\d+)\.\d+/.exec(IPNVersion);
    attributes["node:tsVersion"] = version === null ? IPNVersion : version[0];
    if (version !== null) attributes["node:tsReleaseTrack"] = Number(version[1]) % 2 === 0 ? "stable" : "unstable";
    attributes["node:tsAutoUpdate"] = AllowsUpdate === true; // clients leave it out when it is off
  }
  // A Go opt.Bool: clients that know the field send true or false, some as text.
  const encrypted = String(StateEncrypted);
  if (encrypted === "true" || encrypted === "false") attributes["node:tsStateEncrypted"] = encrypted === "true";
  return attributes;
}

/** Longer texts are no versions. */
function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 128;
}
