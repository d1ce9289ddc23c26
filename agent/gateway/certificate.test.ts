import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readCertificate, selfSignedCertificate } from "./certificate.ts";

const NAMES = ["gateway.tailscale.svc", "10.0.0.7", "fd00::7"];
const folder = () => mkdtemp(join(tmpdir(), "flarescale-certificate-"));

describe("selfSignedCertificate", () => {
  it("makes a P-256 certificate for names and addresses that lasts ten years", async () => {
    const { cert, sha256, expiresAt } = await selfSignedCertificate(NAMES);
    const leaf = new X509Certificate(cert);
    expect(leaf.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
    expect(leaf.checkHost("gateway.tailscale.svc")).toBeDefined();
    expect([leaf.checkIP("10.0.0.7"), leaf.checkIP("fd00::7"), leaf.checkIP("10.0.0.8")]).toEqual([
      "10.0.0.7",
      "fd00::7",
      undefined,
    ]);
    expect((expiresAt.getTime() - Date.now()) / 86_400_000).toBeGreaterThan(3_640);
    expect(sha256).toBe(leaf.fingerprint256.replaceAll(":", "").toLowerCase());
  });

  it("stays the same in a state folder, readable by its owner only", async () => {
    const state = join(await folder(), "state");
    const first = await selfSignedCertificate(NAMES, state);
    expect((await selfSignedCertificate(NAMES.slice(0, 1), state)).sha256).toBe(first.sha256);
    const [file, ...others] = await readdir(state);
    expect(others).toEqual([]);
    expect((await stat(join(state, String(file)))).mode & 0o777).toBe(0o600);
  });

  it("is made anew for a name that it lacks, and when the file is damaged", async () => {
    const state = await folder();
    const first = await selfSignedCertificate(NAMES, state);
    const second = await selfSignedCertificate([...NAMES, "new.example"], state);
    expect(second.sha256).not.toBe(first.sha256);
    const [file] = await readdir(state);
    await writeFile(join(state, String(file)), (await readFile(join(state, String(file)), "utf8")).slice(0, 300));
    expect((await selfSignedCertificate(NAMES, state)).sha256).not.toBe(second.sha256);
  });

  it("is made anew when less than a month of it is left", async () => {
    const state = await folder();
    const first = await selfSignedCertificate(NAMES, state);
    const later = first.expiresAt.getTime() - 29 * 86_400_000;
    expect((await selfSignedCertificate(NAMES, state, later)).sha256).not.toBe(first.sha256);
    expect((await selfSignedCertificate(NAMES, await folder(), later)).expiresAt.getTime()).toBeGreaterThan(later);
  });
});

describe("readCertificate", () => {
  it("refuses a key of another certificate, and names the files", async () => {
    const state = await folder();
    const [one, other] = [await selfSignedCertificate(NAMES), await selfSignedCertificate(NAMES)];
    await writeFile(join(state, "cert.pem"), one.cert);
    await writeFile(join(state, "key.pem"), one.key);
    await writeFile(join(state, "other.pem"), other.key);
    expect(await readCertificate(join(state, "cert.pem"), join(state, "key.pem"))).toEqual(one);
    await expect(readCertificate(join(state, "cert.pem"), join(state, "other.pem"))).rejects.toThrow(
      /cert\.pem with the key .*other\.pem: the key does not belong/,
    );
    await expect(readCertificate(join(state, "absent.pem"), join(state, "key.pem"))).rejects.toThrow(/absent\.pem/);
  });
});
