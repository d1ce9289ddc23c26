import { expect, test } from "vitest";
import { parseFolder, parsePort, readJsonFile, receiverVars, UsageError } from "./command-line.ts";

test.each(["-1", "65536", "80a", "", "1.5", "0x50"])("refuses %j as a port", (value) => {
  expect(() => parsePort("port", value)).toThrow(UsageError);
});

test("takes every port, and 0 for a free one", () => {
  expect(["0", "80", "65535"].map((value) => parsePort("port", value))).toEqual([0, 80, 65_535]);
});

test("resolves folders, and refuses an empty name", () => {
  expect(parseFolder("state", "/var/lib/a")).toBe("/var/lib/a");
  expect(() => parseFolder("state", "")).toThrow(UsageError);
});

test("refuses a file that is missing or no JSON, and names its option", () => {
  expect(() => readJsonFile("derp-map", "nowhere.json")).toThrow(/--derp-map nowhere.json: /);
  expect(() => readJsonFile("derp-map", "LICENSE")).toThrow(UsageError);
});

test("takes private receivers, or leaves them to the environment", () => {
  expect(receiverVars("Splunk.lan:8088, 10.0.0.5:9000")).toEqual({
    PRIVATE_RECEIVERS: "splunk.lan:8088,10.0.0.5:9000",
  });
  expect(receiverVars("")).toEqual({ PRIVATE_RECEIVERS: "" });
  expect(receiverVars(undefined)).toEqual({});
  expect(() => receiverVars("splunk.lan")).toThrow(UsageError);
});
