import { describe, expect, it } from "vitest";
import { UsageError } from "../command-line.ts";
import { parseLoginServer } from "./login-server.ts";

const targets = (text: string) => {
  const { plain, tls, port, isPlainOptional } = parseLoginServer(text);
  return [plain.port, tls?.port, port, isPlainOptional];
};

describe("parseLoginServer", () => {
  it.each([
    ["https://host.example", 80, 443, 443, true],
    ["https://host.example:8443", 80, 8443, 8443, true],
    ["https://10.0.0.1", 80, 443, 443, true],
    ["http://host.example", 80, 443, 80, false],
    ["http://host.example:8080", 8080, 443, 8080, false],
    ["http://192.0.2.1", 80, 443, 80, false],
    ["http://100.64.0.1:8080", 8080, 443, 8080, false],
    ["http://10.1.2.3", 80, undefined, 80, false],
    ["http://172.31.0.1:8080", 8080, undefined, 8080, false],
    ["http://172.32.0.1:8080", 8080, 443, 8080, false],
    ["http://127.0.0.1:8080", 8080, undefined, 8080, false],
    ["http://localhost:8080", 8080, undefined, 8080, false],
    ["http://[fd00::1]:8080", 8080, undefined, 8080, false],
    ["http://[::1]", 80, undefined, 80, false],
    ["http://[2001:db8::1]", 80, 443, 80, false],
  ])("knows where clients dial for %s", (text, ...expected) => {
    expect(targets(text)).toEqual(expected);
  });

  it("takes the brackets off an address", () => {
    expect(parseLoginServer("http://[fd00::1]:8080").host).toBe("fd00::1");
  });

  it.each(["host.example", "ftp://host.example", ""])("refuses %j", (text) => {
    expect(() => parseLoginServer(text)).toThrow(UsageError);
  });
});
