// What the lines of an exported tailnet must look like before anything is done with them. Members that are not known are
// left out: they come of a newer version.
import { z } from "@hono/zod-openapi";
import { parseAddress } from "../../../../protocol/ip.ts";
import { TransferError, type TransferKind, type TransferLine } from "../../../../protocol/transfer/document.ts";
import { DEFAULT_SETTINGS } from "../../../../tailnet/entities/settings.ts";
import type { TransferContent, TransferredTailnet } from "../../../../tailnet/transfer.ts";

const text = z.string().max(4_096);
const texts = z.array(text).max(10_000);
const instant = z.number().int().min(0).max(8_640_000_000_000_000);
const number = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const hex = z.string().regex(/^[0-9a-f]{64}$/);
const key = (prefix: string) => z.string().regex(new RegExp(`^${prefix}:[0-9a-f]{64}$`));
const address = text.refine((value) => parseAddress(value) !== undefined, "not an address");
const object = z.record(z.string(), z.unknown());
const nameserver = z.object({ address: text, useWithExitNode: z.boolean() });
const contact = z.object({ email: z.string().max(254) });
const attribute = z.object({
  value: z.union([z.string().max(50), z.number(), z.boolean()]),
  expiresAt: instant.nullable(),
});
const life = { createdAt: instant, expiresAt: instant, revokedAt: instant.nullable() };

const SCHEMAS = {
  "private-key": z.object({ purpose: z.enum(["noise", "session"]), hex }),
  settings: z
    .object({
      isDeviceApprovalOn: z.boolean(),
      isUserApprovalOn: z.boolean(),
      keyDurationMs: number,
      isAutoUpdateOn: z.boolean(),
      externalTailnetRole: z.enum(["none", "admin", "member"]),
      isFlowLoggingOn: z.boolean(),
      isRegionalRoutingOn: z.boolean(),
      isPostureCollectionOn: z.boolean(),
      isHttpsOn: z.boolean(),
      isPolicyManagedElsewhere: z.boolean(),
      policyLink: text,
      isMagicDnsOn: z.boolean(),
      isLocalDnsOverridden: z.boolean(),
      nameservers: z.array(nameserver).max(100),
      searchPaths: texts,
      splitDns: z.record(z.string(), z.array(nameserver).max(100)),
      contacts: z.object({ account: contact, support: contact, security: contact }),
    })
    .partial(),
  counters: z.object({ nextNodeId: number, nextUserId: number, nextAddress: number }),
  policy: z.object({ text: z.string(), isDefault: z.boolean(), savedAt: instant, author: text }),
  user: z.object({
    id: number,
    stableId: z.string().regex(/^u[0-9A-Za-z]{1,20}CNTRL$/),
    loginName: z.string().regex(/^[^\s@]{1,64}@[^\s@]{1,190}$/),
    displayName: text,
    profilePicUrl: text,
    role: z.enum(["owner", "admin", "it-admin", "network-admin", "billing-admin", "auditor", "member"]),
    isSuspended: z.boolean(),
    isApproved: z.boolean(),
    createdAt: instant,
  }),
  node: z.object({
    id: number.min(1),
    stableId: z.string().regex(/^n[0-9A-Za-z]{1,20}CNTRL$/),
    machineKey: key("mkey"),
    nodeKey: key("nodekey"),
    discoKey: key("discokey").nullable(),
    tailnetLockKey: key("nlpub").nullable(),
    userId: number.nullable(),
    tags: texts,
    name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
    isNameFixed: z.boolean(),
    ipv4: address,
    ipv6: address,
    hostinfo: object,
    endpoints: texts,
    homeDerp: number,
    capabilityVersion: number,
    createdAt: instant,
    keyExpiresAt: instant.nullable(),
    isKeyExpiryDisabled: z.boolean(),
    isAuthorized: z.boolean(),
    isEphemeral: z.boolean(),
    approvedRoutes: texts,
    lastSeenAt: instant.nullable(),
    authKeyId: text.nullable(),
    attributes: z.record(z.string(), attribute),
  }),
  "auth-key": z.object({
    id: text,
    hash: hex,
    description: text,
    userId: number.nullable(),
    isReusable: z.boolean(),
    isEphemeral: z.boolean(),
    isPreauthorized: z.boolean(),
    tags: texts,
    usedAt: instant.nullable(),
    ...life,
  }),
  "api-token": z.object({ id: text, hash: hex, userId: number, description: text, ...life }),
  credential: z.object({
    id: text,
    hash: z.union([hex, z.literal("")]),
    description: text,
    scopes: texts,
    tags: texts,
    userId: number.nullable(),
    createdAt: instant,
    updatedAt: instant.nullable(),
    revokedAt: instant.nullable(),
    federation: z
      .object({
        issuer: text,
        subject: text,
        audience: text,
        customClaimRules: z.record(z.string(), z.string()),
        jwks: z.string().nullable(),
      })
      .nullable(),
  }),
  "access-token": z.object({
    id: text,
    hash: hex,
    credentialId: text,
    description: text,
    scopes: texts,
    tags: texts,
    ...life,
  }),
  record: z.object({
    collection: z.enum([
      "services",
      "service-reports",
      "webhooks",
      "log-streams",
      "external-ids",
      "posture-integrations",
      "user-invites",
      "posture-identities",
      "issuers",
    ]),
    record: z.looseObject({ id: text }),
  }),
  primary: z.object({ prefix: text, nodeId: number }),
} as const satisfies Record<TransferKind, z.ZodType>;

/** What lines hold. @throws TransferError that names the first bad one */
export function toContent(lines: readonly TransferLine[]): TransferContent {
  const records = new Map<TransferKind, unknown[]>();
  for (const [i, { kind, record }] of lines.entries()) {
    const checked = SCHEMAS[kind].safeParse(record);
    if (!checked.success) {
      const [issue] = checked.error.issues;
      throw new TransferError(`line ${i + 2}: ${kind}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`);
    }
    const known = records.get(kind);
    if (known === undefined) records.set(kind, [checked.data]);
    else known.push(checked.data);
  }
  const all = <K extends TransferKind>(kind: K) => (records.get(kind) ?? []) as z.infer<(typeof SCHEMAS)[K]>[];
  const only = <K extends TransferKind>(kind: K) => {
    const [one, ...others] = all(kind);
    if (one === undefined || others.length > 0) throw new TransferError(`there must be one line of the kind ${kind}`);
    return one;
  };
  const keys = Object.fromEntries(all("private-key").map(({ purpose, hex: digits }) => [purpose, digits]));
  const { noise, session } = keys;
  if (noise === undefined) throw new TransferError("the file does not hold the server's private key");
  const absent = { isUserBarred: false, isOnline: false, disconnectedAt: null };
  const tailnet = {
    users: all("user"),
    nodes: all("node").map((node) => ({ ...node, ...absent })),
    authKeys: all("auth-key"),
    apiTokens: all("api-token"),
    credentials: all("credential"),
    accessTokens: all("access-token"),
    records: all("record"),
    settings: { ...DEFAULT_SETTINGS, ...only("settings") },
    counters: only("counters"),
    policy: only("policy"),
    primaries: all("primary"),
  } as unknown as TransferredTailnet; // the schemas above spell the entities; keys are branded texts there
  return { keys: session === undefined ? { noise } : { noise, session }, tailnet };
}

/** The lines of what an object exported. */
export function toLines({ keys, tailnet }: TransferContent): TransferLine[] {
  const line =
    (kind: TransferKind) =>
    (record: object): TransferLine => ({ kind, record: { ...record } });
  return [
    ...Object.entries(keys).map(([purpose, digits]) => line("private-key")({ purpose, hex: digits })),
    line("settings")(tailnet.settings),
    line("counters")(tailnet.counters),
    line("policy")(tailnet.policy),
    ...tailnet.users.map(line("user")),
    ...tailnet.nodes.map(line("node")),
    ...tailnet.authKeys.map(line("auth-key")),
    ...tailnet.apiTokens.map(line("api-token")),
    ...tailnet.credentials.map(line("credential")),
    ...tailnet.accessTokens.map(line("access-token")),
    ...tailnet.records.map(line("record")),
    ...tailnet.primaries.map(line("primary")),
  ];
}
