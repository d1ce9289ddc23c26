import { beforeEach, describe, expect, it } from "vitest";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import type { RegisterResponse } from "../protocol/control/register.ts";
import type { User } from "../tailnet/entities/user.ts";
import { toKeyExpired, toLogin, toRegisterError, toRegistered } from "./to-register-response.ts";

const SUFFIX = "tail.example.com";

let t: TestTailnet;
let ann: User;

beforeEach(() => {
  t = new TestTailnet({ policy: '{ "tagOwners": { "tag:a": ["ann@example.com"] } }' });
  ann = t.user("ann");
});

/** What a client does with an answer: the first that fits (control-protocol.md 4.3). */
function outcome(response: RegisterResponse): string {
  if (response.Error !== "") return response.Error;
  if (response.NodeKeySignature !== null) return "re-sign";
  if (response.NodeKeyExpired) return "new key";
  return response.AuthURL === "" ? "success" : response.AuthURL;
}

describe("success", () => {
  it("names the user as login and as user, with the same id as the netmap", () => {
    t.apply([{ type: "user-put", user: { ...ann, profilePicUrl: "https://example.com/a.png" } }]);
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    const response = toRegistered(t.tailnet, node, SUFFIX);
    expect(outcome(response)).toBe("success");
    const shared = { ID: ann.id, DisplayName: "ann", ProfilePicURL: "https://example.com/a.png" };
    expect(response).toEqual({
      User: { ...shared, Created: "2026-01-02T03:04:05Z" },
      Login: { ...shared, Provider: "flarescale", LoginName: "ann@example.com" },
      NodeKeyExpired: false,
      MachineAuthorized: true,
      AuthURL: "",
      NodeKeySignature: null,
      Error: "",
    });
  });

  it("gives a tagged node its DNS name as login name, without trailing dot, and the user id of tagged nodes", () => {
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    expect(toRegistered(t.tailnet, node, SUFFIX)).toMatchObject({
      User: { ID: 1, DisplayName: "Tagged devices" },
      Login: { ID: 1, LoginName: "host-1.tail.example.com", DisplayName: "Tagged devices" },
    });
  });

  it("tells a node that waits for approval so", () => {
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    expect(toRegistered(t.tailnet, { ...node, isAuthorized: false }, SUFFIX).MachineAuthorized).toBe(false);
  });
});

describe("other answers", () => {
  it("lead to what they are meant for", () => {
    expect(outcome(toKeyExpired())).toBe("new key");
    expect(outcome(toLogin("https://control.example.com/a/x"))).toBe("https://control.example.com/a/x");
    expect(outcome(toRegisterError("invalid auth key"))).toBe("invalid auth key");
  });

  it("have every field, times and objects included, in the form that clients decode", () => {
    for (const response of [toKeyExpired(), toLogin("u"), toRegisterError("e")]) {
      expect(response).toMatchObject({
        User: { ID: 0, Created: "0001-01-01T00:00:00Z" },
        Login: { ID: 0, LoginName: "" },
        MachineAuthorized: false,
        NodeKeySignature: null,
      });
    }
  });
});
