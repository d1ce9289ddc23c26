import { expect, test } from "vitest";
import { workerdConfig } from "./workerd-config.ts";
import { readWranglerSettings, SECRETS } from "./wrangler-settings.ts";

const settings = readWranglerSettings();

test("takes every variable and secret from the environment", () => {
  const config = workerdConfig(settings, "worker.js");
  const names = [...Object.keys(settings.vars), ...SECRETS];
  expect(names.length).toBeGreaterThan(1);
  for (const name of names) expect(config).toContain(`(name = "${name}", fromEnvironment = "${name}")`);
});

test("keeps the unique keys on which every stored object depends", () => {
  const config = workerdConfig(settings, "worker.js");
  expect(config).toContain('className = "TailnetObject", uniqueKey = "tailnet-v1"');
  expect(config).toContain('className = "DerpRegionObject", uniqueKey = "derp-region-v1"');
});

test("refuses a Durable Object class without a unique key", () => {
  const objects = [{ binding: "NOVELTY", className: "Novelty" }];
  expect(() => workerdConfig({ ...settings, objects }, "worker.js")).toThrow("Novelty");
});

test("embeds text modules beside the program", () => {
  expect(workerdConfig(settings, "worker.js", ["a.sql"])).toContain('(name = "a.sql", text = embed "a.sql")');
});
