// What the hosted service has and this server has not: every endpoint says so to whoever has a token, with what to do
// instead, and docs/api.md says the same.
import { beforeAll, describe, expect, it } from "vitest";
import document from "../../docs/api.md?raw";
import { INVITES_OF_DEVICE, LEFT_OUT } from "../../worker/routes/api/v2/left-out.ts";
import { api, person } from "./support/api.ts";

/** A row of the table of endpoints. */
interface Row {
  /** Paths with `{}` for each parameter. */
  readonly paths: readonly string[];
  readonly status: number;
}

let token: string;

beforeAll(async () => {
  ({ token } = await person(100, "member"));
});

const endpoints = LEFT_OUT.flatMap(([methods, path]) => methods.map((method) => [method, path] as const));
const filled = (path: string) => path.replaceAll(/:tailnet/g, "-").replaceAll(/:\w+/g, "1");
const normal = (path: string) => path.replaceAll(/:\w+|\{\w+\}|(?<=\/)-(?=\/)/g, "{}");

/** The rows of what is left out, as the document has them. */
function documented(): Row[] {
  const rows = document.split("\n").flatMap((line) => {
    const [, named = "", there, remark = ""] = line.split("|").map((cell) => cell.trim());
    if (there !== "left out") return [];
    const paths = [...named.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text.replace(/^[A-Z]+ /, ""));
    return [
      {
        paths: paths.map((path) => normal(path.replace(/^T\//, "/tailnet/-/"))),
        status: Number(/`(\d+)`/.exec(remark)?.[1]),
      },
    ];
  });
  return rows.filter(({ status }) => status !== 404); // described, and answered like everything that is described
}

describe("what is left out", () => {
  it.each(endpoints)("%s %s needs a token, and then says what there is instead", async (method, path) => {
    const unknown = await api(filled(path), { method });
    expect([unknown.status, unknown.json]).toEqual([401, { message: "API token invalid" }]);
    const known = await api(filled(path), { method, token });
    expect([known.status, known.json]).toEqual([
      501,
      { message: expect.stringMatching(/^not implemented: [^;]+; (invite|run|make) [^;]+$/) },
    ]);
  });

  it.each(["POST", "PUT", "PATCH", "DELETE"])("%s of a device's invites is no method of theirs", async (method) => {
    const path = filled(INVITES_OF_DEVICE);
    expect((await api(path, { method })).status).toBe(401);
    const { status, json, headers } = await api(path, { method, token, body: method === "DELETE" ? undefined : [] });
    expect([status, json, headers.get("allow")]).toEqual([
      405,
      { message: expect.stringMatching(/^method not allowed: [^;]+; invite [^;]+$/) },
      "GET, HEAD",
    ]);
  });

  it("tells nothing of other tailnets", async () => {
    const answer = await api("/tailnet/example.com/oauth-apps", { token });
    expect([answer.status, answer.json]).toEqual([404, { message: "tailnet not found" }]);
  });

  it("is in the table of docs/api.md, and nothing else is", () => {
    const rows = documented();
    const begins = (path: string, start: string) => path.startsWith(start.replace(/…$/, ""));
    const paths: Row[] = [
      ...LEFT_OUT.map(([, path]) => ({ paths: [normal(path)], status: 501 })),
      { paths: [normal(INVITES_OF_DEVICE)], status: 405 },
    ];
    for (const {
      paths: [path = ""],
      status,
    } of paths) {
      const row = rows.find((each) => each.status === status && each.paths.some((start) => begins(path, start)));
      expect(row, path).toBeDefined();
    }
    for (const { paths: starts, status } of rows) {
      for (const start of starts) {
        const found = paths.some((each) => each.status === status && each.paths.some((path) => begins(path, start)));
        expect(found, start).toBe(true);
      }
    }
  });
});
