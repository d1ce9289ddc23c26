// What rules of ssh become that no capture shows: recorders, checks and their periods (policy.md 16).
import { describe, expect, test } from "vitest";
import { addressesOf, engineOf, nodesFrom, policyOf } from "../../testing/small-tailnet.ts";

const USERS = [{ id: 1, loginName: "ann@example.com", role: "member" }] as const;

function tailnet(...ssh: readonly object[]) {
  const nodes = nodesFrom({
    laptop: {},
    web: { tags: ["tag:web"] },
    recorder: { tags: ["tag:recorder"] },
    second: { tags: ["tag:recorder", "tag:more"] },
  });
  const tagOwners = { "tag:web": [], "tag:recorder": [], "tag:more": [], "tag:gone": [] };
  const rules = ssh.map((rule) => ({
    action: "accept",
    src: ["ann@example.com"],
    dst: ["tag:web"],
    users: ["root"],
    ...rule,
  }));
  const engine = engineOf(policyOf({ tagOwners, ssh: rules }), USERS, nodes);
  const check = () => engine.sshCheckOf(nodes.laptop.id, nodes.web.id, "root");
  return { engine, nodes, check, actions: () => engine.sshPolicyOf(nodes.web.id)?.rules.map(({ action }) => action) };
}

const accept = {
  accept: true,
  allowAgentForwarding: true,
  allowLocalPortForwarding: true,
  allowRemotePortForwarding: true,
};

describe("recorders", () => {
  const notified = { NotifyURL: "https://unused/machine/ssh/recording-failure" };
  const onRecordingFailure = {
    ...notified,
    RejectSessionWithMessage: expect.stringMatching(/./),
    TerminateSessionWithMessage: expect.stringMatching(/./),
  };

  test("are the nodes of their tags, on port 80 of both addresses, as they come and go", () => {
    const { engine, nodes, actions } = tailnet({ recorder: ["tag:recorder"] });
    const { recorder, second } = nodes;
    const ports = [`${recorder.ipv4}:80`, `[${recorder.ipv6}]:80`, `${second.ipv4}:80`, `[${second.ipv6}]:80`];
    expect(actions()).toEqual([{ ...accept, recorders: ports, onRecordingFailure: notified }]);
    engine.removeNode(recorder.id);
    expect(actions()).toEqual([{ ...accept, recorders: ports.slice(2), onRecordingFailure: notified }]);
  });

  test("that are enforced have sessions refused and ended without them", () => {
    const { actions, nodes } = tailnet({ recorder: ["tag:more"], enforceRecorder: true });
    const recorders = [`${nodes.second.ipv4}:80`, `[${nodes.second.ipv6}]:80`];
    expect(actions()).toEqual([{ ...accept, recorders, onRecordingFailure }]);
  });

  // With an empty list the client would let the session go on unrecorded.
  test("that are enforced and not there are named all the same, where nothing can listen", () => {
    const rule = { recorder: ["tag:gone"], enforceRecorder: true };
    const recorders = ["127.0.0.1:0"];
    expect(tailnet(rule).actions()).toEqual([{ ...accept, recorders, onRecordingFailure }]);
    expect(tailnet({ ...rule, action: "check" }).check()?.action).toEqual({ ...accept, recorders, onRecordingFailure });
    expect(tailnet({ recorder: ["tag:gone"] }).actions()).toEqual([
      { ...accept, recorders: [], onRecordingFailure: notified },
    ]);
  });
});

describe("checks", () => {
  test.each([
    [undefined, 12 * 3600],
    ["always", 0],
    ["0s", 0],
    ["30s", 30],
    ["1h30m", 5400],
    ["168h", 168 * 3600],
  ])("with checkPeriod %s last %s seconds", (checkPeriod, seconds) => {
    expect(tailnet({ action: "check", checkPeriod }).check()?.periodSeconds).toBe(seconds);
  });

  test("come before rules that accept, and the first one in the file decides the period", () => {
    const { actions, check } = tailnet(
      {},
      { action: "check", users: ["ubuntu"], checkPeriod: "1h" },
      { action: "check", checkPeriod: "2h" },
      { action: "check", checkPeriod: "3h" },
    );
    expect(actions()?.map((action) => action.accept ?? false)).toEqual([false, false, false, true]);
    expect(check()?.periodSeconds).toBe(7200);
  });

  test("say on the wire whom to ask, and nothing else", () => {
    const { actions, engine, nodes } = tailnet({ action: "check", acceptEnv: ["LC_*"], checkPeriod: "1h" });
    const [only] = actions() ?? [];
    expect(Object.keys(only ?? {})).toEqual(["holdAndDelegate"]);
    const [rule] = engine.sshPolicyOf(nodes.web.id)?.rules ?? [];
    expect(rule).toMatchObject({ acceptEnv: ["LC_*"], sshUsers: { root: "root" } });
    expect(rule?.principals.map(({ nodeIP }) => nodeIP).sort()).toEqual(addressesOf([nodes.laptop]));
  });
});
