// A database that a real headscale wrote for real clients becomes a tailnet that this server takes. (With these clients
// running, headscale was replaced by flarescale once: they went on without a login. CI has no headscale to repeat that.)
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseTransfer } from "../../../worker/protocol/transfer/document.ts";
import { toContent } from "../../../worker/routes/api/v2/tailnet/transfer-schema.ts";
import { actorOf } from "../../../worker/tailnet/entities/actor.ts";
import type { User } from "../../../worker/tailnet/entities/user.ts";
import { adoptTailnet, withImporter } from "../../../worker/tailnet/transfer.ts";
import { convertHeadscale } from "./convert.ts";
import { readHeadscale } from "./read-database.ts";

const NOW = Date.UTC(2026, 10, 30, 22, 30);
const sql = readFileSync(resolve(import.meta.dirname, "../../../test/golden/headscale/database.sql"), "utf8");
const options = { noiseKey: `privkey:${"a".repeat(64)}`, owner: "ann", loginDomain: "example.net", now: NOW };
let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "flarescale-headscale-"));
  file = join(folder, "db.sqlite");
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("a real database", () => {
  it("is read and converted whole", () => {
    const { text, keys } = convertHeadscale(readHeadscale(file), options);
    const { tailnet } = toContent(parseTransfer(text).lines);
    expect(tailnet.users.map(({ id, loginName, role }) => [id, loginName, role])).toEqual([
      [101, "ann@example.com", "owner"],
      [102, "bob@example.net", "member"],
      [103, "carol@example.org", "member"],
      [104, "dave.o@example.net", "member"],
    ]);
    expect(tailnet.users[0]).toMatchObject({ displayName: "Ann A.", profilePicUrl: "https://example.com/a.png" });
    expect(tailnet.nodes.map(({ id, name, userId, tags, ipv4, ipv6 }) => [id, name, userId, tags, ipv4, ipv6])).toEqual(
      [
        [1, "laptop", 101, [], "100.64.0.1", "fd7a:115c:a1e0::1"],
        [2, "bobs-phone", 102, [], "100.64.0.2", "fd7a:115c:a1e0::2"],
        [3, "server", null, ["tag:server"], "100.64.0.3", "fd7a:115c:a1e0::3"],
        [4, "pod", 102, [], "100.64.0.4", "fd7a:115c:a1e0::4"],
        [5, "carol-pc", 103, [], "100.64.0.5", "fd7a:115c:a1e0::5"],
        [6, "laptop2", 101, [], "100.64.0.6", "fd7a:115c:a1e0::6"],
      ],
    );
    expect(tailnet.nodes.map(({ isNameFixed }) => isNameFixed)).toEqual([false, true, false, false, false, false]);
    expect(tailnet.nodes.map(({ isEphemeral }) => isEphemeral)).toEqual([false, false, false, true, false, false]);
    const expired = Date.UTC(2026, 10, 30, 22, 27, 26, 622);
    expect(
      tailnet.nodes.map(({ keyExpiresAt, isKeyExpiryDisabled }) => [keyExpiresAt, isKeyExpiryDisabled]).slice(2),
    ).toEqual([
      [null, false],
      [Date.UTC(2027, 4, 29, 22, 27, 8, 411), false],
      [expired, false],
      [null, true],
    ]);
    expect(tailnet.nodes[2]?.approvedRoutes).toEqual(["0.0.0.0/0", "10.3.0.0/16", "10.20.0.0/16", "::/0"]);
    expect(tailnet.nodes[0]?.hostinfo).toMatchObject({ Hostname: "laptop", OS: "linux", IPNVersion: "1.102.3" });
    expect(tailnet.policy.text).toContain(
      '"src": ["group:dev"], "dst": ["tag:server:*", "bob@example.net:22", "db:5432"]',
    );
    expect(tailnet.policy.text).toContain("// who may what");
    expect(tailnet.policy.text).toContain('"src": ["bob@example.net"], "dst": ["ann@example.com:*"]');
    // Of 13 keys three were used up, and one was expired by hand.
    expect(keys.map(({ was }) => was.slice("hskey-auth-".length))).toEqual([
      "1ce27450e779",
      "96bdf0956915",
      "7b66453204d6",
      "7b9a78aec1fb",
      "8a881f9b5589",
      "8e2539168a89",
      "b2d4af8561cb",
      "fb4eba735d4e",
      "cb83b793d57e",
    ]);
    expect(tailnet.authKeys.slice(0, 6).map((key) => [key.isReusable, key.isEphemeral, key.tags, key.userId])).toEqual([
      [true, false, [], 101],
      [false, false, [], 102],
      [true, false, ["tag:server"], null],
      [true, true, [], 102],
      [true, false, ["tag:k8s"], null],
      [false, false, [], 103],
    ]);
  });

  it("is a tailnet that holds together, with an owner of its own or whoever imports", () => {
    for (const owner of ["ann", undefined]) {
      const { text } = convertHeadscale(readHeadscale(file), { ...options, owner });
      const { tailnet } = toContent(parseTransfer(text).lines);
      const importer = withImporter(tailnet, { ...actorOf(first), tokenId: token.id }, token);
      expect(importer.users.filter(({ role }) => role === "owner")).toHaveLength(1);
      expect(adoptTailnet(importer)).toMatchObject({ ok: true });
    }
  });

  it("is only read: nothing is written to it", () => {
    const before = readFileSync(file);
    readHeadscale(file);
    expect(readFileSync(file).equals(before)).toBe(true);
  });
});

describe("a file that is no such database", () => {
  it("is refused in words that help", () => {
    const other = join(folder, "other.sqlite");
    expect(() => readHeadscale(other)).toThrow(/does not exist/);
    writeFileSync(other, "not a database, but long enough to look like a file of some kind".repeat(50));
    expect(() => readHeadscale(other)).toThrow(/no database of a recent headscale/);
    const old = join(folder, "old.sqlite");
    const database = new DatabaseSync(old);
    database.exec("create table machines (id)");
    database.close();
    expect(() => readHeadscale(old)).toThrow(/no database of a recent headscale/);
  });
});

const first: User = {
  id: 100,
  stableId: "uFirstCNTRL",
  loginName: "first@localhost",
  displayName: "first",
  profilePicUrl: "",
  role: "owner",
  isSuspended: false,
  isApproved: true,
  createdAt: NOW,
};
const token = {
  id: "kFirstCNTRL",
  hash: "b".repeat(64),
  userId: 100,
  description: "",
  createdAt: NOW,
  expiresAt: NOW + 1,
  revokedAt: null,
};
