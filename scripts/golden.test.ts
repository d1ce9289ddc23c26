// The policy engine against what the hosted service answered: every capture of test/golden/policy must match. Uses the
// command itself, so that `npm run golden` is proven too.
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");

it("answers all 426 captures of the hosted service as they are", async () => {
  const command = [resolve(root, "scripts/golden.ts"), resolve(root, "test/golden/policy")];
  const { stdout } = await promisify(execFile)(process.execPath, command);
  expect(stdout.trimEnd().split("\n").at(-1)).toBe("426 passed, 0 failed");
}, 60_000);
