// The policy engine against what the hosted service answered: every capture of test/golden/policy must match. The command
// itself is run on cases made for the purpose, so that a difference and a missing folder are known to fail.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compareCase, type GoldenCase, loadCases } from "./golden.ts";

const root = resolve(import.meta.dirname, "..");

/** Cases by category, as the README.md beside them counts them. */
const COUNTS: Readonly<Record<string, number>> = {
  acl: 97,
  grant: 143,
  nodeattrs: 30,
  policytest: 27,
  routes: 61,
  ssh: 52,
  sshtest: 16,
};

describe("captures of the hosted service", () => {
  const cases = loadCases(resolve(root, "test/golden/policy"));

  it("are all there", () => {
    const found: Record<string, number> = {};
    for (const { category } of cases) found[category] = (found[category] ?? 0) + 1;
    expect(found).toEqual(COUNTS);
  });

  it.each(Object.keys(COUNTS))("%s: the engine answers as the service did", (category) => {
    for (const golden of cases.filter((one) => one.category === category)) {
      expect(compareCase(golden), golden.test_id).toEqual([]);
    }
  });
});

describe("the command", () => {
  const folder = mkdtempSync(join(tmpdir(), "golden-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  const golden: GoldenCase = {
    test_id: "own-1",
    category: "own",
    policy: { grants: [] },
    api_response_code: 200,
    compare: ["peers"],
    topology: {
      users: [{ id: 1, name: "ann", email: "ann@example.com", role: "owner" }],
      nodes: ["lap", "pad"].map((name, i) => {
        return { name, user: "ann", ipv4: `100.64.0.${i + 1}`, ipv6: `fd7a:115c:a1e0::${i + 1}` };
      }),
    },
    expect: { lap: { peers: [] }, pad: { peers: [] } },
  };

  function run(
    ...folders: string[]
  ): Promise<{ readonly code: number; readonly lines: string[]; readonly err: string }> {
    return new Promise((done) => {
      execFile(process.execPath, [resolve(root, "scripts/golden.ts"), ...folders], (error, out, err) => {
        done({ code: Number(error?.code ?? 0), lines: out.trimEnd().split("\n"), err });
      });
    });
  }

  it("counts by category and in all", async () => {
    writeFileSync(join(folder, "own-1.json"), JSON.stringify(golden));
    expect(await run(folder)).toMatchObject({ code: 0, lines: ["own: 1 passed, 0 failed", "1 passed, 0 failed"] });
  });

  it("names a case that differs, and fails", async () => {
    const differing = { ...golden, test_id: "own-2", expect: { lap: { peers: ["pad"] } } };
    writeFileSync(join(folder, "own-2.json"), JSON.stringify(differing));
    const { code, lines } = await run(folder);
    expect(lines).toEqual(['own-2: lap peers: got [], want ["pad"]', "own: 1 passed, 1 failed", "1 passed, 1 failed"]);
    expect(code).toBe(1);
  });

  it("fails on a folder that is missing and on one without cases", async () => {
    const missing = await run(join(folder, "nowhere"));
    expect(missing.err).toContain(`there is no folder ${join(folder, "nowhere")}`);
    expect(missing.code).toBe(2);
    const empty = mkdtempSync(join(folder, "empty-"));
    expect((await run(empty)).err).toContain(`no case in ${empty}`);
    expect(await run()).toMatchObject({ code: 2, err: expect.stringContaining("Usage") });
  });
}, 60_000);
