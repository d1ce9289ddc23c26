// The stream of the configuration log under test: its settings, the world that it is sent to, and time that passes.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { tailnetFor } from "../../../worker/middleware/tailnet-for.ts";
import { type Answer, api, type Person, person } from "./api.ts";
import { evict } from "./tailnet.ts";

/** Path of the stream. */
export const STREAM = "/tailnet/-/logging/configuration/stream";
let admin: Person | undefined;

/** Calls the API as an administrator, who is made on first use. */
export async function call(path: string, method: string, body?: unknown): Promise<Answer> {
  admin ??= await person(500, "admin");
  return await api(path, { method, ...(body !== undefined && { body }), token: admin.token });
}

/** Sets the stream of the configuration log. */
export const set = async (body: unknown) => await call(STREAM, "PUT", body);
/** The status of that stream. */
export const status = async () => (await call(`${STREAM}/status`, "GET")).json;

/** Makes an entry of the log. */
export async function happen(name: string): Promise<void> {
  await call("/tailnet/-/contacts/security", "PATCH", { email: `${name}@example.com` });
}

export interface Sent {
  readonly url: string;
  readonly method: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What the world outside answers, and what it was sent. */
export function outside(answer: (request: Sent) => number | Response) {
  const sent: Sent[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const headers = Object.fromEntries(new Headers(init?.headers));
    const body = new Uint8Array(await new Response(init?.body).arrayBuffer());
    const request = { url: typeof input === "string" ? input : "", method: init?.method, headers, body };
    sent.push(request);
    const answered = answer(request);
    if (answered instanceof Response) return answered;
    return new Response(null, { status: answered, headers: { location: "https://elsewhere.example.com/" } });
  });
  return sent;
}

/** Waits until the alarm, which rings by itself a second after something happened, has brought something about. */
export async function ringUntil(check: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(check, { timeout: 60_000, interval: 50 });
}

/** Has several things happen before any of them is sent, however long the machine takes for it. */
export async function happenTogether(...names: readonly string[]): Promise<void> {
  await runInDurableObject(tailnetFor(env), (_, { storage }) => {
    const later = Date.now() + 3_600_000;
    storage.sql.exec("update log_stream_states set state = json_set(state, '$.notBefore', ?)", later);
  });
  await evict();
  for (const name of names) await happen(name);
  await endPause();
  await evict();
  await runDurableObjectAlarm(tailnetFor(env));
}

/** Lets the pause after a failure be over. */
export async function endPause(): Promise<void> {
  await runInDurableObject(tailnetFor(env), (_, { storage }) => {
    storage.sql.exec("update log_stream_states set state = json_set(state, '$.notBefore', 0)");
  });
}

/** What lines of JSON hold. */
export const linesOf = (body: Uint8Array) =>
  new TextDecoder()
    .decode(body)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
