// Two hundred times kill -9 of workerd, of the gateway or of both while state changes over REST and over the control
// protocol and real clients hold their map streams, with a deployment every fiftieth time: every acknowledged change is
// there afterwards, none is half there, nodes keep their identity, and all clients recover by themselves.
//
// FLARESCALE_CRASH_ROUNDS lowers the number of rounds, FLARESCALE_CRASH_SEED repeats the choices of an earlier run.
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { runCrashRounds } from "../e2e/support/crash/rounds.ts";
import { type OpenScene, openCrashScene } from "../e2e/support/crash/scene.ts";

const rounds = Number(process.env.FLARESCALE_CRASH_ROUNDS ?? 200);
const seed = Number(process.env.FLARESCALE_CRASH_SEED ?? Date.now() % 1_000_000);

let scene: OpenScene;

beforeAll(async () => {
  await clientBinaries();
  scene = await openCrashScene(5);
});

afterAll(async () => {
  await scene?.close();
});

it("loses nothing that was acknowledged, and every client recovers", { timeout: 30 * 60_000 }, async () => {
  const report = await runCrashRounds(scene, { seed, rounds, deployEvery: 50, meetEvery: 20 });
  console.log("crash:", JSON.stringify(report));
  expect(report.acknowledged).toBeGreaterThan(10 * rounds);
  expect(report.interrupted).toBeGreaterThan(rounds);
});
