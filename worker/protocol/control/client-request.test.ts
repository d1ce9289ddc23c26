import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBase64, fromUtf8, utf8 } from "../bytes.ts";
import { askClient, parsePostureReport, parseServiceReport } from "./client-request.ts";
import { parsePort } from "./port-span.ts";

const body = '{"VIPServices":[{"Name":"svc:web","Ports":["tcp:443"],"Active":true},{"Name":7}],"ServicesHash":"abc"}';
const report = {
  hash: "abc",
  services: [
    { name: "svc:web", ports: ["tcp:443"], isActive: true },
    { name: "", ports: [], isActive: false },
  ],
};

describe("askClient", () => {
  it("carries a whole request to be answered through Noise", () => {
    const { PingRequest } = JSON.parse(askClient("https://control.example.com/x", "/vip-services"));
    expect(PingRequest).toMatchObject({ URL: "https://control.example.com/x", URLIsNoise: true, Types: "c2n" });
    expect(fromUtf8(fromBase64(PingRequest.Payload) ?? utf8(""))).toBe(
      "GET /vip-services HTTP/1.1\r\nHost: c2n\r\n\r\n",
    );
  });
});

describe("parseServiceReport", () => {
  it.each([
    ["with a length", `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`],
    ["until the end", `HTTP/1.0 200 OK\r\n\r\n${body}`],
    [
      "in chunks",
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n${body.slice(0, 10)}\r\n${(body.length - 10).toString(16)};x=y\r\n${body.slice(10)}\r\n0\r\n\r\n`,
    ],
  ])("reads a response %s", (_, text) => {
    expect(parseServiceReport(utf8(text))).toEqual(report);
  });

  it.each([
    "",
    "HTTP/1.1 404 Not Found\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\n\r\n[]",
    "HTTP/1.1 200 OK\r\n\r\n{}",
    'HTTP/1.1 200 OK\r\n\r\n{"VIPServices":{},"ServicesHash":""}',
    `HTTP/1.1 200 OK\r\n\r\n{"VIPServices":[${"{},".repeat(200)}{}],"ServicesHash":""}`,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n",
  ])("refuses %j", (text) => {
    expect(() => parseServiceReport(utf8(text))).toThrow();
  });

  it("ends for any bytes, with a report or a complaint", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        try {
          parseServiceReport(utf8(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text}`));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});

describe("parsePostureReport", () => {
  const read = (answer: unknown) => parsePostureReport(utf8(`HTTP/1.1 200 OK\r\n\r\n${JSON.stringify(answer)}`));

  it.each<[unknown, boolean, string[]]>([
    [{ SerialNumbers: ["PF2ABCDE", "VMware-56 4d"] }, false, ["PF2ABCDE", "VMware-56 4d"]],
    [{ SerialNumbers: null }, false, []],
    [{}, false, []],
    [{ PostureDisabled: true }, true, []],
    [{ PostureDisabled: true, SerialNumbers: ["X"] }, true, []],
    [{ PostureDisabled: "true", SerialNumbers: [1, "", "a\nb", "\ud800", "ok"] }, false, ["ok"]],
  ])("reads %j", (answer, isDisabled, serialNumbers) => {
    expect(read(answer)).toEqual({ isDisabled, serialNumbers });
  });

  it.each(["", "HTTP/1.1 500 Oops\r\n\r\n{}", "HTTP/1.1 200 OK\r\n\r\n[]"])("refuses %j", (text) => {
    expect(() => parsePostureReport(utf8(text))).toThrow();
  });
});

describe("parsePort", () => {
  it.each([
    ["443", 443, 443],
    ["tcp:443", 443, 443],
    ["tcp:8000-8010", 8000, 8010],
    ["*", 0, 0xffff],
  ])("reads %s", (text, first, last) => {
    expect(parsePort(text)).toEqual({ first, last });
  });

  it.each(["", "tcp:", "udp:53", "0", "65536", "9-1", "tcp:80,443", " 80", "-80"])("refuses %j", (text) => {
    expect(parsePort(text)).toBeUndefined();
  });
});
