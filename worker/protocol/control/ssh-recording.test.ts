import { expect, it } from "vitest";
import { SSH_LOCAL_USER_MAX, SSH_RECORDING_MAX_ATTEMPTS, SSH_RECORDING_MAX_TEXT } from "../limits.ts";
import { MalformedRequest } from "./json.ts";
import { parseRecordingReport } from "./ssh-recording.ts";

const BODY = {
  EventType: 1,
  ConnectionID: "ssh-conn-20261124T204500-abc",
  CapVersion: 145,
  NodeKey: "nodekey:00",
  SrcNode: 7,
  SSHUser: "ubuntu",
  LocalUser: "root",
  RecordingAttempts: [{ Recorder: "100.64.0.9:80", FailureMessage: "connection refused" }],
};

it.each([
  [1, "rejected"],
  [2, "terminated"],
  [3, "failed"],
] as const)("reads a report of type %i", (EventType, event) => {
  expect(parseRecordingReport({ ...BODY, EventType })).toEqual({
    event,
    connectionId: BODY.ConnectionID,
    sourceId: 7,
    sshUser: "ubuntu",
    localUser: "root",
    attempts: [{ recorder: "100.64.0.9:80", failure: "connection refused" }],
  });
});

it("takes a report without names and attempts, as Go's decoder would", () => {
  const report = { event: "failed", connectionId: "", sourceId: 7, sshUser: "", localUser: "", attempts: [] };
  expect(parseRecordingReport({ EventType: 3, SrcNode: 7 })).toEqual(report);
  expect(parseRecordingReport({ EventType: 3, SrcNode: 7, RecordingAttempts: null })).toEqual(report);
});

it("cuts what is longer than anybody needs, and has no NUL", () => {
  const long = `\u0000${"x".repeat(1 << 16)}`;
  const attempts = Array.from({ length: 1_000 }, () => ({ Recorder: long, FailureMessage: long }));
  const report = parseRecordingReport({ ...BODY, SSHUser: long, LocalUser: long, RecordingAttempts: attempts });
  expect([report.sshUser.length, report.localUser.length]).toEqual([SSH_LOCAL_USER_MAX, SSH_LOCAL_USER_MAX]);
  expect(report.attempts).toHaveLength(SSH_RECORDING_MAX_ATTEMPTS);
  expect(report.attempts[0]?.failure).toBe("x".repeat(SSH_RECORDING_MAX_TEXT));
});

it.each([
  { EventType: 0 },
  { EventType: 4 },
  { EventType: "1" },
  { EventType: 1.5 },
  { SrcNode: null },
  { SrcNode: "7" },
  { SrcNode: 2 ** 53 },
  { SSHUser: 7 },
  { RecordingAttempts: {} },
  { RecordingAttempts: ["100.64.0.9:80"] },
  { RecordingAttempts: [{ Recorder: 7 }] },
])("refuses %j", (broken) => {
  expect(() => parseRecordingReport({ ...BODY, ...broken })).toThrow(MalformedRequest);
});
