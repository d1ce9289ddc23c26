import { describe, expect, it } from "vitest";
import type { Certificate } from "./certificate.ts";
import { followCertificate } from "./follow-certificate.ts";

const certificate = (sha256: string): Certificate => ({ cert: "", key: "", sha256, expiresAt: new Date(0) });

function following(read: () => Promise<Certificate>) {
  const used: string[] = [];
  const said: string[] = [];
  const note = (message: string) => said.push(message);
  const check = followCertificate({
    read,
    use: ({ sha256 }) => used.push(sha256),
    inUse: "first",
    log: { info: note, warn: note, error: note },
  });
  return { check, used, said };
}

describe("followCertificate", () => {
  it("puts a changed certificate in place once, and leaves an unchanged one alone", async () => {
    const found = ["first", "second", "second"];
    const { check, used, said } = following(() => Promise.resolve(certificate(found.shift() ?? "")));
    for (let i = 0; i < 3; i++) await check();
    expect(used).toEqual(["second"]);
    expect(said).toEqual(["certificate renewed"]);
  });

  it("reports one that cannot be read and takes up the next", async () => {
    const found = [Promise.reject(new Error("broken")), Promise.resolve(certificate("second"))];
    const { check, used, said } = following(() => found.shift() ?? Promise.reject(new Error("no more")));
    await Promise.all([check(), check()]);
    expect(used).toEqual(["second"]);
    expect(said).toEqual(["certificate not renewed", "certificate renewed"]);
  });

  it("ends with the newest certificate when an older read takes longer", async () => {
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const reads = [slow.then(() => certificate("older")), Promise.resolve(certificate("newer"))];
    const { check, used } = following(() => reads.shift() ?? Promise.reject(new Error("no more")));
    const done = Promise.all([check(), check()]);
    await Promise.resolve();
    release();
    await done;
    expect(used.at(-1)).toBe("newer");
  });
});
