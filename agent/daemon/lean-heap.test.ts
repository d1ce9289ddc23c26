import { execFile } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
const MODULE = pathToFileURL(path.join(import.meta.dirname, "lean-heap.ts")).href;

/** Whether a process that has made 100 MB of garbage, and has nothing to do, holds less than 15 MB of heap 30 s later. */
async function shrinksAfterWork(): Promise<boolean> {
  const script = `
    import { keepHeapLean } from ${JSON.stringify(MODULE)};
    keepHeapLean();
    const kept = [];
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 200_000; i++) kept.push({ i, text: String(i) });
      await new Promise((done) => setTimeout(done, 50));
      kept.length = 0;
    }
    const isSmall = () => process.memoryUsage().heapTotal < 15 * 2 ** 20;
    const deadline = Date.now() + 30_000;
    while (!isSmall() && Date.now() < deadline) await new Promise((done) => setTimeout(done, 500));
    console.log(isSmall());
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script]);
  return stdout.trim() === "true";
}

it("gives back what work has left behind once there is nothing to do", { timeout: 60_000 }, async () => {
  expect(await shrinksAfterWork()).toBe(true);
});
