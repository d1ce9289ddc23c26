// A few rounds of what test/long/crash.test.ts does two hundred times: nothing that was acknowledged is lost when
// workerd or the gateway is killed, and the clients find each other again by themselves.
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { runCrashRounds } from "./support/crash/rounds.ts";
import { type OpenScene, openCrashScene } from "./support/crash/scene.ts";

let scene: OpenScene;

beforeAll(async () => {
  await clientBinaries();
  scene = await openCrashScene(3);
});

afterAll(async () => {
  await scene?.close();
});

it("keeps what it acknowledged through kills and a deployment with a migration", async () => {
  const plan = { seed: Date.now() % 1_000_000, rounds: 6, deployEvery: 4, meetEvery: 6 };
  const report = await runCrashRounds(scene, plan);
  expect(report.acknowledged).toBeGreaterThan(50);
  expect(report.deploys).toBe(1);
});
