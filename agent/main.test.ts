import { describe, expect, it } from "vitest";
import { main } from "./main.ts";

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await main(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

describe("flarescale", () => {
  it("prints its overview on request, and to stderr with exit code 2 when there is no command", async () => {
    for (const word of ["help", "--help", "-h"]) expect(await run(word)).toMatchObject({ code: 0, err: "" });
    const { code, out, err } = await run();
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("flarescale doctor --login-server");
  });

  it("prints the version of the package", async () => {
    expect((await run("version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run("--version")).code).toBe(0);
  });

  it.each(["gateway", "stun", "derp-check", "admin", "issuer-keys", "doctor", "version"])(
    "explains %s with examples and exit codes",
    async (command) => {
      for (const argv of [
        [command, "--help"],
        ["help", command],
      ]) {
        const { code, out } = await run(...argv);
        expect(code).toBe(0);
        expect(out).toContain("Examples:");
        expect(out).toContain("Exit codes:");
      }
    },
  );

  it("says what to do about an unknown command", async () => {
    expect(await run("gatway")).toEqual({
      code: 2,
      out: "",
      err: 'flarescale: there is no command "gatway"; "flarescale help" lists the commands\n',
    });
    expect((await run("constructor")).code).toBe(2);
  });

  it("says what to do about wrong options", async () => {
    const { code, err } = await run("gateway");
    expect(code).toBe(2);
    expect(err).toBe(
      "flarescale gateway: --upstream is needed: the origin of your Worker, as https://control.example.com; " +
        '"flarescale gateway --help" explains the options\n',
    );
  });
});
