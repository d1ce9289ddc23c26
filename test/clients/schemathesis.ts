// schemathesis, a fuzzer of OpenAPI descriptions, in a Python environment of its own below bin/; made anew when
// schemathesis/requirements.txt or the Python changes. pip takes it from the package index that it is set up with.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const here = import.meta.dirname;
const requirements = join(here, "schemathesis", "requirements.txt");
/** Our additions to it. */
export const schemathesisHooks = join(here, "schemathesis", "hooks.py");

const folder = join(here, "bin", "schemathesis");
const LIMIT_MS = 10 * 60_000;

/** Installs it when it is missing, and says where its command is. @throws Error that says what is missing */
export async function schemathesisCommand(): Promise<string> {
  const command = join(folder, "bin", "st");
  const mark = join(folder, "made-from");
  const key = await keyOf();
  if (existsSync(command) && existsSync(mark) && readFileSync(mark, "utf8") === key) return command;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(here, "bin"), { recursive: true });
  console.error("clients: installing schemathesis");
  try {
    await run("python3", ["-m", "venv", folder], { timeout: LIMIT_MS });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements];
    await run(join(folder, "bin", "python"), pip, { timeout: LIMIT_MS });
  } catch (error) {
    const detail = (error as { stderr?: string }).stderr || String(error);
    throw new Error(`schemathesis needs Python 3.10 or newer with venv (Debian: python3-venv):\n${detail}`, {
      cause: error,
    });
  }
  // Written last, so that an installation that was interrupted is made anew.
  writeFileSync(`${mark}.tmp`, key);
  renameSync(`${mark}.tmp`, mark);
  return command;
}

async function keyOf(): Promise<string> {
  let version = "";
  try {
    ({ stdout: version } = await run("python3", ["--version"]));
  } catch (error) {
    throw new Error("schemathesis needs Python 3.10 or newer with venv (Debian: python3-venv)", { cause: error });
  }
  return createHash("sha256").update(readFileSync(requirements)).update(version).update(folder).digest("hex");
}
