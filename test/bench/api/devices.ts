// Devices that were there before: records of a tailnet that nobody is connected to, as headscale keeps them. They go into
// headscale's database as they are, and into ours by the import of such databases.
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import type { HeadscaleRows, Row } from "../../../agent/transfer/headscale/read-database.ts";

/** Tags that the policy lets the user give. */
export const TAGS = ["tag:bench-even", "tag:bench-odd"] as const;

const CREATED_AT = "2026-11-24 21:04:17.655570916+00:00";

/** Everybody reaches everybody. */
const POLICY = JSON.stringify({
  tagOwners: Object.fromEntries(TAGS.map((tag) => [tag, ["bench@"]])),
  grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }],
});

/** Rows of so many nodes of user 1, numbered from 1. */
function deviceRows(count: number): Row[] {
  return Array.from({ length: count }, (_, i) => deviceRow(i + 1));
}

/** A whole database of headscale with one user and these nodes. */
export function headscaleRows(count: number): HeadscaleRows {
  const user = { id: 1, name: "bench", display_name: "", email: "", provider_identifier: null, provider: "" };
  return { users: [user], nodes: deviceRows(count), preAuthKeys: [], policy: POLICY };
}

/** Puts the nodes and the policy into a database that headscale made and that nobody has open. */
export function addDevices(database: string, count: number): void {
  const db = new DatabaseSync(database);
  const [first, ...rest] = deviceRows(count);
  if (first === undefined) return;
  const columns = Object.keys(first);
  const insert = db.prepare(`insert into nodes (${columns.join()}) values (${columns.map(() => "?").join()})`);
  db.exec("begin");
  for (const row of [first, ...rest]) insert.run(...Object.values(row));
  db.prepare("insert into policies (data, created_at, updated_at) values (?, ?, ?)").run(
    POLICY,
    CREATED_AT,
    CREATED_AT,
  );
  db.exec("commit");
  db.close();
}

function deviceRow(id: number): Row {
  const hostname = `device-${id}`;
  return {
    id,
    machine_key: `mkey:${keyOf("machine", id)}`,
    node_key: `nodekey:${keyOf("node", id)}`,
    disco_key: `discokey:${keyOf("disco", id)}`,
    endpoints: JSON.stringify([`192.0.2.${id % 250}:${1_024 + (id % 60_000)}`, `198.51.100.${id % 250}:41641`]),
    host_info: JSON.stringify({
      IPNVersion: "1.102.3",
      OS: "linux",
      OSVersion: "6.12.0",
      Distro: "debian",
      DistroVersion: "12.11",
      Hostname: hostname,
      Machine: "x86_64",
      GoArch: "amd64",
      Services: [{ Proto: "peerapi4", Port: 1_024 + (id % 60_000) }],
      NetInfo: { WorkingIPv6: false, WorkingUDP: true, PreferredDERP: 1 },
    }),
    ipv4: `100.${64 + (id >> 16)}.${(id >> 8) & 0xff}.${id & 0xff}`,
    ipv6: `fd7a:115c:a1e0::${id.toString(16)}`,
    hostname,
    given_name: hostname,
    user_id: 1,
    register_method: "authkey",
    tags: null,
    auth_key_id: null,
    expiry: null,
    last_seen: CREATED_AT,
    approved_routes: null,
    created_at: CREATED_AT,
    updated_at: CREATED_AT,
    deleted_at: null,
  };
}

/** 64 hex digits that are the same in each run. */
function keyOf(kind: string, id: number): string {
  return createHash("sha256").update(`${kind} ${id}`).digest("hex");
}
