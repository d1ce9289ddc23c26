#!/usr/bin/env node
// Starts the command line on whatever Node.js runs it. The program is TypeScript that Node runs natively from 22.18 on;
// an older Node (20 is enough for npm) hands over to the one that npm installed with this package.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const main = join(dirname(fileURLToPath(import.meta.url)), "..", "main.ts");
const [major, minor] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  process.argv[1] = main;
  await import(pathToFileURL(main).href);
} else {
  handOver(newerNode());
}

/** The `node` package's binary in the nearest node_modules above this file. */
function newerNode() {
  for (let folder = dirname(main); ; folder = dirname(folder)) {
    const node = join(folder, "node_modules", ".bin", "node");
    if (existsSync(node)) return node;
    if (folder === dirname(folder)) break;
  }
  console.error(`flarescale needs Node.js 22.18 or newer, this is ${process.versions.node}; run "npm install" first`);
  process.exit(1);
}

/** Runs the program in another Node and leaves as it leaves; signals reach it too. */
function handOver(node) {
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`flarescale cannot start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
