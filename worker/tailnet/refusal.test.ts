import { describe, expect, it } from "vitest";
import { describeRefusal, type Refusal } from "./refusal.ts";

describe("describeRefusal", () => {
  it.each<[Refusal, string]>([
    [{ reason: "client-too-old" }, "client version too old; please upgrade to 1.80 or newer"],
    [{ reason: "node-key-in-use" }, "node key already in use by another device"],
    [{ reason: "auth-key-invalid" }, "invalid auth key"],
    [{ reason: "auth-key-expired" }, "auth key expired"],
    [{ reason: "auth-key-used" }, "auth key already used"],
    [{ reason: "auth-key-revoked" }, "auth key revoked"],
    [
      { reason: "tags-not-permitted", tags: ["tag:a", "tag:b"] },
      "requested tags [tag:a tag:b] are invalid or not permitted",
    ],
    [{ reason: "wrong-tailnet", tailnet: "example.com" }, 'this device must join tailnet "example.com"'],
    [{ reason: "user-suspended" }, "user is suspended"],
    [{ reason: "login-denied" }, "login denied"],
    [{ reason: "addresses-exhausted" }, "tailnet has reached its device limit"],
    [{ reason: "not-found", what: "device" }, "no manageable device matching this ID found"],
    [{ reason: "not-found", what: "user" }, "user not found"],
    [{ reason: "invalid", detail: "why" }, "why"],
  ])("puts %j into words", (refusal, words) => {
    expect(describeRefusal(refusal)).toBe(words);
  });
});
