// The schema, for drizzle. Rules: platform.md 2.4 (additive migrations, no ON DELETE CASCADE).
export * from "./audit.ts";
export * from "./connections.ts";
export * from "./credentials.ts";
export * from "./nodes.ts";
export * from "./pending-registrations.ts";
export * from "./records.ts";
export * from "./ssh-checks.ts";
export * from "./tailnet.ts";
export * from "./users.ts";
