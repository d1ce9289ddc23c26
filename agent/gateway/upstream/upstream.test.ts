import { describe, expect, it } from "vitest";
import { UsageError } from "../../command-line.ts";
import { parseUpstream } from "./upstream.ts";

describe("parseUpstream", () => {
  it("takes an origin of either scheme", () => {
    expect(parseUpstream("https://control.example.com").host).toBe("control.example.com");
    expect(parseUpstream("http://[::1]:8787/").host).toBe("[::1]:8787");
  });

  it.each([
    ["control.example.com", /is not a URL/],
    ["wss://control.example.com", /must begin with https/],
    ["https://control.example.com/path", /did you mean https:\/\/control\.example\.com\?/],
    ["https://user:secret@control.example.com", /without path, query or user/],
    ["https://control.example.com?x", /without path/],
  ])("refuses %s and says why", (text, reason) => {
    expect(() => parseUpstream(text)).toThrow(reason);
    expect(() => parseUpstream(text)).toThrow(UsageError);
  });
});
