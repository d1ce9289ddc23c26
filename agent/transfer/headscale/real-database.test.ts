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

const NOW = Date.UTC(2026, 10, 24, 22);
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
    ]);
    expect(tailnet.nodes.map(({ id, name, userId, tags, ipv4, ipv6 }) => [id, name, userId, tags, ipv4, ipv6])).toEqual(
      [
        [1, "laptop", 101, [], "100.64.0.1", "fd7a:115c:a1e0::1"],
        [2, "bobs-phone", 102, [], "100.64.0.2", "fd7a:115c:a1e0::2"],
        [3, "server", null, ["tag:server"], "100.64.0.3", "fd7a:115c:a1e0::3"],
      ],
    );
    expect(tailnet.nodes.map(({ isNameFixed }) => isNameFixed)).toEqual([false, true, false]);
    expect(tailnet.nodes[2]?.approvedRoutes).toEqual(["10.3.0.0/16", "10.20.0.0/16"]);
    expect(tailnet.nodes[0]?.hostinfo).toMatchObject({ Hostname: "laptop", OS: "linux", IPNVersion: "1.102.3" });
    expect(tailnet.policy.text).toContain('"src": ["group:dev"], "dst": ["tag:server:*", "bob@example.net:22"]');
    expect(tailnet.policy.text).toContain("// who may what");
    // Of four keys one was used up.
    expect(keys.map(({ was }) => was)).toEqual([
      "hskey-auth-01122f46f8db",
      "hskey-auth-44de46af2834",
      "hskey-auth-51485a73a15e",
    ]);
    expect(tailnet.authKeys.map(({ isEphemeral, tags, userId }) => [isEphemeral, tags, userId])).toEqual([
      [false, [], 101],
      [false, ["tag:server"], null],
      [true, [], 102],
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
