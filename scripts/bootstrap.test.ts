// bootstrap.mjs in a repository of its own, with an npm that only pretends to install.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "flarescale-bootstrap-"));
  mkdirSync(path.join(root, "scripts"));
  mkdirSync(path.join(root, "fake"));
  cpSync(path.join(import.meta.dirname, "bootstrap.mjs"), path.join(root, "scripts/bootstrap.mjs"));
  lock("1.0.0");
  writeFileSync(
    path.join(root, "fake/npm"),
    `#!/bin/sh
echo "npm progress"
echo run >> installs
mkdir -p node_modules/.bin
ln -sf "${process.execPath}" node_modules/.bin/node
cp package-lock.json node_modules/.package-lock.json
`,
  );
  chmodSync(path.join(root, "fake/npm"), 0o755);
  writeFileSync(path.join(root, "scripts/echo.ts"), "console.log(JSON.stringify(process.argv.slice(2) as string[]));");
});

afterEach(() => rmSync(root, { recursive: true }));

function lock(version: string): void {
  const packages = { "": {}, "node_modules/a": { version }, "node_modules/b": { version: "2.0.0", optional: true } };
  writeFileSync(path.join(root, "package-lock.json"), JSON.stringify({ packages }));
}

const env = () => ({ ...process.env, PATH: `${path.join(root, "fake")}:${process.env.PATH}` });

function bootstrap(...args: string[]): { stdout: string; status: number | null } {
  return spawnSync(process.execPath, [path.join(root, "scripts/bootstrap.mjs"), ...args], {
    env: env(),
    encoding: "utf8",
  });
}

const installs = (): number => {
  const log = path.join(root, "installs");
  return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").length : 0;
};

test("installs first and leaves standard output to the script", () => {
  expect(bootstrap("scripts/echo.ts", "--json", "a b")).toMatchObject({ stdout: '["--json","a b"]\n', status: 0 });
  expect(installs()).toBe(1);
});

test("installs nothing when everything is there", () => {
  bootstrap("scripts/echo.ts");
  bootstrap("scripts/echo.ts");
  expect(installs()).toBe(1);
});

test("installs again when the lockfile asks for another version", () => {
  bootstrap("scripts/echo.ts");
  lock("1.0.1");
  bootstrap("scripts/echo.ts");
  expect(installs()).toBe(2);
});

test("installs again after an installation that was interrupted", () => {
  bootstrap("scripts/echo.ts");
  rmSync(path.join(root, "node_modules/.package-lock.json"));
  bootstrap("scripts/echo.ts");
  expect(installs()).toBe(2);
});

test("does not miss an optional package that this platform has no use for", () => {
  bootstrap("scripts/echo.ts");
  const file = path.join(root, "node_modules/.package-lock.json");
  writeFileSync(file, readFileSync(file, "utf8").replace('"node_modules/b"', '"node_modules/c"'));
  bootstrap("scripts/echo.ts");
  expect(installs()).toBe(1);
});

test("ends as the script does", () => {
  writeFileSync(path.join(root, "scripts/fail.ts"), "process.exit(7);");
  expect(bootstrap("scripts/fail.ts").status).toBe(7);
});

test("says how it is used when no script is named", () => {
  expect(bootstrap().status).toBe(2);
});

test("passes signals on", async () => {
  writeFileSync(
    path.join(root, "scripts/wait.ts"),
    'process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1000); console.log("ready");',
  );
  const child = spawn(process.execPath, [path.join(root, "scripts/bootstrap.mjs"), "scripts/wait.ts"], {
    env: env(),
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  expect((await once(child, "exit"))[0]).toBe(9);
});
