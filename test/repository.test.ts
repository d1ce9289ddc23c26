// What holds for the repository as a whole: generated files are in step with what they are generated from, documents
// name what is there, no file is tied to one machine. Each check is also shown something that it must refuse.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import config from "../vitest.config.ts";
import { exists, localWords, namedPaths } from "./repository/documents.ts";
import { migrationProblems, misnumbered } from "./repository/migrations.ts";
import { ROOT, readText, repositoryFiles } from "./repository/source-files.ts";

const files = repositoryFiles();

describe("migrations", () => {
  const tags = files.flatMap((file) => /^migrations\/([^/]+)\.sql$/.exec(file)?.[1] ?? []).sort();

  it("only add", () => {
    expect(tags).not.toEqual([]);
    for (const tag of tags) expect(migrationProblems(readText(`migrations/${tag}.sql`)), tag).toEqual([]);
  });

  it.each([
    ["CREATE TABLE `__new_nodes` (`id` text);"],
    ["DROP  TABLE `nodes`;"],
    ["PRAGMA foreign_keys=OFF;"],
    ["CREATE TABLE `a` (`b` text REFERENCES `c`(`d`) ON DELETE CASCADE);"],
    ["ALTER TABLE `nodes` RENAME COLUMN `a` TO `b`;"],
  ])("may not contain %s", (sql) => {
    expect(migrationProblems(sql)).not.toEqual([]);
    expect(migrationProblems(`-- reviewed: no table refers to it\n${sql}`)).toEqual([]);
    expect(migrationProblems(`-- reviewed:\n${sql}`)).not.toEqual([]);
  });

  it("are numbered without a gap, in the journal and in the bundle", () => {
    const journal = JSON.parse(readText("migrations/meta/_journal.json")) as {
      entries: { tag: string; when: number }[];
    };
    expect(misnumbered(tags)).toEqual([]);
    expect(misnumbered(["0000_a", "0002_b"])).toEqual(["0002_b"]);
    expect(journal.entries.map(({ tag }) => tag)).toEqual(tags);
    expect(journal.entries.map(({ when }) => when)).toEqual(
      journal.entries.map(({ when }) => when).sort((a, b) => a - b),
    );
    const bundled = [...readText("db/migrations.ts").matchAll(/tag: "([^"]+)"/g)].map((match) => match[1]);
    expect(bundled).toEqual(tags);
  });

  it("are in step with db/schema", () => {
    const out = mkdtempSync(path.join(tmpdir(), "flarescale-migrations-"));
    try {
      cpSync(path.join(ROOT, "migrations"), out, { recursive: true });
      const schema = ["--dialect=sqlite", "--driver=durable-sqlite", "--schema=db/schema/index.ts"];
      const drizzle = path.join(ROOT, "node_modules/.bin/drizzle-kit");
      execFileSync(drizzle, ["generate", ...schema, `--out=${out}`], { cwd: ROOT, stdio: "pipe" });
      expect(readdirSync(out).filter((file) => file.endsWith(".sql"))).toEqual(tags.map((tag) => `${tag}.sql`));
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});

describe("documents", () => {
  const documents = files.filter((file) => file.endsWith(".md") && !file.startsWith("test/golden/"));

  it("name only paths that exist", () => {
    expect(documents).not.toEqual([]);
    const missing = documents.flatMap((file) =>
      namedPaths(readText(file)).flatMap((named) => (exists(named, files) ? [] : [`${file} names ${named}`])),
    );
    expect(missing).toEqual([]);
  });

  it("are read as a person reads them", () => {
    const text =
      "See `worker/index.ts`, docs/*.md and [the plan](ARCHITECTURE.md#now), not https://a.example/docs/x.md.";
    expect(namedPaths(text)).toEqual(["worker/index.ts", "docs/*.md", "ARCHITECTURE.md"]);
    expect(exists("worker/none.ts", ["worker/index.ts"])).toBe(false);
    expect(exists("docs/*.txt", ["docs/a.md"])).toBe(false);
    expect(exists("worker/", ["worker/index.ts"])).toBe(true);
  });
});

describe("files", () => {
  it("are tied to no machine and no registry", () => {
    const texts = files.filter((file) => !/\.(png|ico|woff2|wasm|gz|zst)$/.test(file));
    expect(texts.flatMap((file) => localWords(readText(file)).map((word) => `${file} names ${word}`))).toEqual([]);
  });

  it.each(["/work", "/root", "/home", "/Users"])("may not name paths below %s", (folder) => {
    expect(localWords(`see ${folder}/me`)).toHaveLength(1);
  });

  it("may not name the registry that packages came from", () => {
    expect(localWords(["https://registry", "npmjs.org/zod"].join("."))).toHaveLength(1);
  });

  it("come with the licence that package.json names", () => {
    const { license } = JSON.parse(readText("package.json")) as { license: string };
    expect(license).toBe("BSD-3-Clause");
    expect(readText("LICENSE")).toMatch(/^BSD 3-Clause License/);
  });
});

describe("TypeScript", () => {
  it("is type-checked, all of it", () => {
    const checked = ["tsconfig.worker.json", "tsconfig.node.json"].flatMap((project) => {
      const tsc = path.join(ROOT, "node_modules/.bin/tsc");
      const listed = execFileSync(tsc, ["--project", project, "--listFilesOnly"], { cwd: ROOT, encoding: "utf8" });
      return listed.split("\n").map((file) => path.relative(ROOT, file));
    });
    const unchecked = files.filter((file) => file.endsWith(".ts") && !checked.includes(file));
    expect(unchecked).toEqual([]);
  });
});

const LEFT_OUT = /\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|skipIf|runIf|todo|only)\b/;

describe("tests", () => {
  it("are all run: one that is left out counts as a failure of the whole", () => {
    const tests = files.filter((file) => file.endsWith(".test.ts"));
    expect(tests.filter((file) => LEFT_OUT.test(readText(file)))).toEqual([]);
    for (const word of ["skipIf", "only"]) expect(LEFT_OUT.test(`it.${word}(x)`)).toBe(true);
  });

  it("belong to exactly one project of vitest.config.ts", () => {
    const projects = (config.test?.projects ?? []) as { test: { name: string; include: string[] } }[];
    expect(projects).not.toEqual([]);
    for (const file of files.filter((name) => name.endsWith(".test.ts"))) {
      const owners = projects.filter(({ test }) => test.include.some((pattern) => path.matchesGlob(file, pattern)));
      expect(
        owners.map(({ test }) => test.name),
        file,
      ).toHaveLength(1);
    }
  });
});
