import { mkdtempSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { main } from "../main.ts";

async function run(...argv: string[]): Promise<{ code: number; err: string }> {
  let err = "";
  const code = await main(["derp-check", ...argv], { out: () => {}, err: (text) => (err += text) });
  return { code, err };
}

const folder = mkdtempSync(join(tmpdir(), "flarescale-derp-check-"));

it.each([
  [[], "give --login-server and --auth-key, or --derp-map"],
  [["--login-server=https://x.example"], "--login-server and --auth-key go together"],
  [["--login-server=x", "--auth-key=k"], '--login-server must be a URL, not "x"'],
  [["--derp-map=/nonexistent"], "--derp-map /nonexistent: ENOENT"],
])("says what to change about %j", async (argv, message) => {
  const { code, err } = await run(...argv);
  expect(code).toBe(2);
  expect(err).toContain(message);
});

it("says what is wrong with a map, and which region it does not have", async () => {
  const file = join(folder, "map.json");
  await writeFile(file, '{"Regions":{}}');
  expect((await run(`--derp-map=${file}`)).err).toContain("a DERP map needs at least one region");
  const node = { Name: "7a", RegionID: 7, HostName: "127.0.0.1", STUNPort: -1, DERPPort: 9 };
  const region = { RegionID: 7, RegionCode: "x", RegionName: "x", Nodes: [node] };
  await writeFile(file, JSON.stringify({ Regions: { 7: region } }));
  expect((await run(`--derp-map=${file}`, "--region=8")).err).toContain("the map has no region 8");
});

it("fails without a stack trace where there is no control server", async () => {
  const { code, err } = await run("--login-server=http://127.0.0.1:9", "--auth-key=k");
  expect([code, err]).toEqual([1, expect.stringMatching(/^flarescale derp-check: [^\n]+\n$/)]);
});
