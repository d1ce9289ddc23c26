// The rules of style.md 3 that can be read from the source: who imports whom, what pure code may touch, who reads the
// settings, and what a file looks like. Each check is also shown something that it must refuse.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { clockReadings, formProblems, MAX_LINES, usesOf } from "./repository/form.ts";
import { importCycles, layerOf, layerViolations } from "./repository/layers.ts";
import { isTest, parseSource, ROOT, readText, type SourceFile, sourceFiles } from "./repository/source-files.ts";

const files = sourceFiles();
const program = files.filter((file) => !isTest(file.path));
const PURE = ["worker/protocol", "worker/policy", "worker/tailnet", "worker/mapper"];
const isPure = ({ path: file }: SourceFile): boolean => PURE.includes(layerOf(file) ?? "");

describe("layers", () => {
  it("import only what lies below them", () => {
    expect(program.flatMap(layerViolations)).toEqual([]);
  });

  it.each([
    ["worker/protocol/a.ts", 'import { createHash } from "node:crypto";'],
    ["worker/protocol/a.ts", 'import { DurableObject } from "cloudflare:workers";'],
    ["worker/protocol/a.ts", 'import type { Node } from "../tailnet/node.ts";'],
    ["worker/tailnet/a.ts", 'import { x } from "../mapper/b.ts";'],
    ["worker/tailnet/commands/a.ts", 'export { x } from "../../../db/open.ts";'],
    ["worker/mapper/a.ts", 'const x = await import("../objects/b.ts");'],
    ["worker/routes/control/a.ts", 'import { TailnetObject } from "../../objects/tailnet-object.ts";'],
    ["worker/routes/a.ts", 'import { sql } from "drizzle-orm";'],
    ["worker/objects/a.ts", 'import { x } from "../routes/b.ts";'],
    ["agent/gateway/a.ts", 'import { x } from "../controller/b.ts";'],
    ["agent/gateway/a.ts", 'import { x } from "../../worker/tailnet/b.ts";'],
    ["scripts/a.ts", 'import { x } from "../worker/index.ts";'],
    ["worker/objects/a.ts", 'import { x } from "../../test/support/b.ts";'],
    ["worker/novelty/a.ts", ""],
  ])("refuses in %s: %s", (file, text) => {
    expect(layerViolations(parseSource(file, text))).toHaveLength(1);
  });

  it("let routes name the types of objects", () => {
    const text = 'import type { TailnetObject } from "../objects/tailnet-object.ts";';
    expect(layerViolations(parseSource("worker/routes/a.ts", text))).toEqual([]);
  });

  it("form no cycle", () => {
    expect(importCycles(files)).toEqual([]);
  });

  it("refuse a cycle of three files", () => {
    const cycle = [
      parseSource("a.ts", 'import "./b.ts";'),
      parseSource("b.ts", 'import type { C } from "./c.ts";'),
      parseSource("c.ts", 'export { a } from "./a.ts";'),
    ];
    expect(importCycles(cycle)).toEqual(["a.ts → b.ts → c.ts → a.ts"]);
  });
});

describe("pure code", () => {
  it("reads no clock by making a date", () => {
    expect(program.filter(isPure).flatMap(clockReadings)).toEqual([]);
    expect(clockReadings(parseSource("a.ts", "const now = new Date(), then = new Date(0);"))).toHaveLength(1);
  });

  it("may not reach clock, randomness, timers, network or process: the linter refuses", () => {
    const ambient = [
      "Date.now()",
      "Math.random()",
      "crypto.randomUUID()",
      "setTimeout(f, 1)",
      "fetch('/')",
      "process.env",
    ];
    const folder = mkdtempSync(path.join(tmpdir(), "flarescale-lint-"));
    try {
      for (const pure of PURE) {
        mkdirSync(path.join(folder, pure), { recursive: true });
        writeFileSync(
          path.join(folder, pure, "probe.ts"),
          ambient.map((code, i) => `export const x${i} = ${code};\n`).join(""),
        );
      }
      writeFileSync(path.join(folder, ".oxlintrc.json"), readText(".oxlintrc.json"));
      const found = lint(folder).filter(({ code }) => code?.includes("no-restricted-"));
      expect(found).toHaveLength(PURE.length * ambient.length);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("settings", () => {
  const { vars, durable_objects: objects } = parse(readText("wrangler.toml")) as {
    vars: Record<string, unknown>;
    durable_objects: { bindings: { name: string }[] };
  };
  const worker = program.filter(({ path: file }) => file.startsWith("worker/"));

  it("are read by worker/env.ts alone", () => {
    const settings = new Set([...Object.keys(vars), "BOOTSTRAP_SECRET"]);
    const elsewhere = worker.filter(({ path: file }) => file !== "worker/env.ts");
    expect(elsewhere.flatMap((file) => usesOf(settings, file))).toEqual([]);
    expect(usesOf(settings, parseSource("a.ts", "const { PUBLIC_URL } = env; env.DERP_MAP;"))).not.toEqual([]);
  });

  it("pick the object of each binding by name in one place", () => {
    const naming = worker.filter((file) => usesOf(new Set(["getByName", "idFromName"]), file).length > 0);
    for (const { name } of objects.bindings) {
      const places = naming.filter((file) => usesOf(new Set([name]), file).length > 0);
      expect(
        places.map((file) => file.path),
        name,
      ).toHaveLength(1);
    }
  });
});

describe("source files", () => {
  it("are named, opened, documented and short as agreed", () => {
    expect(files.flatMap(formProblems)).toEqual([]);
  });

  it.each([
    ["worker/a/string-utils.ts", "// A module.\n"],
    ["worker/a/nodeKey.ts", "// A module.\n"],
    ["worker/a/b.ts", "const x = 1;\n"],
    ["worker/a/b.ts", "// A module.\n\nexport const x = 1;\n"],
    ["worker/a/b.ts", "// A module.\n\nexport interface X {}\n"],
    ["worker/a/b.ts", "// A module.\n\n// @ts-expect-error\nf();\n"],
    ["worker/a/b.ts", "// A module.\n\n// oxlint-disable-next-line no-empty\nf();\n"],
  ])("refuses %s with %o", (file, text) => {
    expect(formProblems(parseSource(file, text))).toHaveLength(1);
  });

  it("refuses a file that is one line too long", () => {
    const text = `// A module.\n${"f();\n".repeat(MAX_LINES)}`;
    expect(formProblems(parseSource("worker/a/b.ts", text))).toHaveLength(1);
  });
});

/** What the linter says about a folder. */
function lint(folder: string): { code?: string }[] {
  const oxlint = path.join(ROOT, "node_modules/.bin/oxlint");
  try {
    execFileSync(oxlint, ["--format=json", "."], { cwd: folder, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    return (JSON.parse((error as { stdout: string }).stdout) as { diagnostics: { code?: string }[] }).diagnostics;
  }
  return [];
}
