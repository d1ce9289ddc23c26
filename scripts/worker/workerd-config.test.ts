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

test("keeps objects in memory while they have nothing to do", () => {
  const config = workerdConfig(settings, "worker.js");
  const namespaces = config.split("\n").filter((line) => line.includes("uniqueKey = "));
  expect(namespaces).toHaveLength(settings.objects.length);
  for (const namespace of namespaces) expect(namespace).toContain("preventEviction = true");
});

test("has V8 look at garbage early, young and old", () => {
  const flags = 'v8Flags = ["--optimize-for-size", "--max-semi-space-size=4", "--initial-old-space-size=16"]';
  expect(workerdConfig(settings, "worker.js")).toContain(flags);
});

test("refuses a Durable Object class without a unique key", () => {
  const objects = [{ binding: "NOVELTY", className: "Novelty" }];
  expect(() => workerdConfig({ ...settings, objects }, "worker.js")).toThrow("Novelty");
});

test("embeds text modules beside the program", () => {
  expect(workerdConfig(settings, "worker.js", ["a.sql"])).toContain('(name = "a.sql", text = embed "a.sql")');
});

test("opens private networks by one binding alone, and not what is beside them", () => {
  const config = workerdConfig(settings, "worker.js");
  expect(config).toContain('(name = "PRIVATE_NETWORK", service = "private-network")');
  expect(config).toContain('deny = ["unix", "unix-abstract", "169.254.0.0/16", "fe80::/10"]');
  expect(config).not.toMatch(/globalOutbound|name = "internet"/); // whose default is public addresses
});
