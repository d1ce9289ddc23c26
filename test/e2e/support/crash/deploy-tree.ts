// A copy of the repository that is one migration ahead of it, to deploy: the same code, a new bundle, one more column.
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { scratchDir } from "../run.ts";
import type { Parts } from "./parts.ts";

const root = resolve(import.meta.dirname, "../../../..");
const copied = ["worker", "db", "migrations", "scripts", "package.json", "wrangler.toml"];

/** Makes a tree with `count` more migrations than the repository has; later trees must have no fewer. */
export function treeWithMigrations(count: number): string {
  const tree = scratchDir("tree");
  mkdirSync(tree, { recursive: true });
  for (const name of copied) cpSync(join(root, name), join(tree, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  const list = join(tree, "db/migrations.ts");
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  for (const n of numbers) {
    writeFileSync(join(tree, `migrations/${tagOf(n)}.sql`), `ALTER TABLE nodes ADD COLUMN crash_${n} text;\n`);
  }
  const imports = numbers.map((n) => `import extra${n} from "../migrations/${tagOf(n)}.sql";\n`).join("");
  const entries = numbers.map((n) => `{ tag: "${tagOf(n)}", sql: extra${n} }`).join(", ");
  const before = readFileSync(list, "utf8");
  const after = before.replace(/,?\s*\];\s*$/, `, ${entries}];\n`);
  if (after === before) throw new Error("db/migrations.ts does not end with its list");
  writeFileSync(list, imports + after);
  return tree;
}

/** How many of these migrations the tailnet's database has. */
export function extraMigrationsIn(parts: Parts): number {
  const folder = join(parts.folder.worker, "tailnet-v1");
  const [file] = readdirSync(folder).filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  if (file === undefined) throw new Error("the tailnet has no database");
  const database = new DatabaseSync(join(folder, file), { readOnly: true });
  const { n } = database.prepare("select count(*) as n from schema_migrations where tag like '9%_crash'").get() as {
    n: number;
  };
  database.close();
  return n;
}

function tagOf(n: number): string {
  return `${9000 + n}_crash`;
}
