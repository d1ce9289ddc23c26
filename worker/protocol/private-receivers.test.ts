import { describe, expect, it } from "vitest";
import { hostPortOf, parsePrivateReceivers } from "./private-receivers.ts";

describe("private receivers", () => {
  it.each([
    ["", []],
    ["splunk:8088", ["splunk:8088"]],
    [" Splunk.LAN:8088, 10.0.0.5:9000 ,[fd00::5]:443,", ["splunk.lan:8088", "10.0.0.5:9000", "[fd00::5]:443"]],
    ["log_sink:80", ["log_sink:80"]],
  ])("%j are %j", (text, hosts) => {
    expect(parsePrivateReceivers(text)).toEqual(new Set(hosts));
  });

  it.each([
    "splunk",
    "splunk:",
    "splunk:0",
    "splunk:65536",
    "splunk:8088/path",
    "http://splunk:8088",
    "user@splunk:8088",
    "*.lan:8088",
    "10.0.0.0/8:80",
    "splunk:8088 vector:9000",
    "fd00::5:443",
  ])("refuse %j", (text) => {
    expect(parsePrivateReceivers(text)).toBe(`"${text}" is not a host and a port, such as 10.0.0.5:8088`);
  });

  it.each([
    ["2130706433:80", "127.0.0.1:80"],
    ["10.5:80", "10.0.0.5:80"],
    ["0x7f.1:80", "127.0.0.1:80"],
    ["[fd00:0::5]:443", "[fd00::5]:443"],
    ["splunk:08088", undefined],
  ])("refuse the odd spelling %s", (text, canonical) => {
    const problem = parsePrivateReceivers(`splunk:8088,${text}`);
    expect(problem).toContain(canonical === undefined ? "is not a host" : `must be written as ${canonical}`);
  });
});

describe("the host and port of a URL", () => {
  it.each([
    ["https://Splunk.lan/services", "splunk.lan:443"],
    ["http://splunk.lan", "splunk.lan:80"],
    ["https://splunk.lan:80/", "splunk.lan:80"],
    ["http://2130706433:9000/x", "127.0.0.1:9000"],
    ["http://[FD00:0::5]:1/", "[fd00::5]:1"],
    ["http://splunk.lan./", "splunk.lan.:80"],
  ])("of %s is %s", (url, expected) => {
    expect(hostPortOf(new URL(url))).toBe(expected);
  });
});
