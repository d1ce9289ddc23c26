// What docs/terraform.md says of each acceptance test: its table is the list of what must pass.
import { readFileSync } from "node:fs";

const DOCUMENT = new URL("../../docs/terraform.md", import.meta.url);

/** Names of tests that the table has as passing, and all that it has. */
export function expectations(): { readonly passing: ReadonlySet<string>; readonly known: ReadonlySet<string> } {
  const text = readFileSync(DOCUMENT, "utf8");
  const rows = [...text.matchAll(/^\| `(TestAcc\w+)` +\| (yes|no) /gm)].map(([, name = "", verdict]) => ({
    name,
    verdict,
  }));
  const passing = rows.filter(({ verdict }) => verdict === "yes");
  return { passing: new Set(passing.map(({ name }) => name)), known: new Set(rows.map(({ name }) => name)) };
}
