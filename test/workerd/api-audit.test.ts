// The audit log of the API: every operation that changes something says so, with who did it and what was before and after.
// Made from the description, so that a new operation is covered without a line here.
import { beforeAll, describe, expect, it } from "vitest";
import { OPERATIONS, type Operation } from "../../worker/routes/api/v2/access.ts";
import type { Description } from "../../worker/routes/api/v2/description/document.ts";
import { api, type Person, person } from "./support/api.ts";
import {
  type Endpoint,
  endpointsOf,
  exampleCall,
  examplePath,
  seedExamples,
  servedDescription,
} from "./support/example-tailnet.ts";

/** Operations that change nothing, though they are no GET; the log has nothing to say of them. */
const CHANGING_NOTHING: readonly Operation[] = [
  "validatePolicyFile",
  "previewPolicyFile",
  "foreseePolicyFile",
  "askPolicyReach",
  "testWebhook",
  "validateAwsTrustPolicy",
  "resendContactVerification",
  "resendUserInvite",
  "exchangeToken", // its example proves nothing
  "bootstrap", // there is an administrator already
  "importTailnet", // its example is not a whole file
  "approveUser", // nobody waits for approval in the examples
  "restoreUser", // nobody is suspended in them
];

interface Entry {
  readonly origin: string;
  readonly action: string;
  readonly actor: { readonly id: string; readonly type: string };
  readonly target: { readonly type: string; readonly id: string; readonly property?: string };
  readonly old?: unknown;
  readonly new?: unknown;
}

let document: Description;
let owner: Person;

beforeAll(async () => {
  document = await servedDescription();
  owner = await person(100, "owner");
});

async function entries(): Promise<Entry[]> {
  const range = "start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z";
  return (await api(`/tailnet/-/logging/configuration?${range}`, { token: owner.token })).json.logs;
}

async function newEntries(operationId: Operation): Promise<{ status: number; added: Entry[] }> {
  const endpoint = endpointsOf(document).find(({ operation }) => operation.operationId === operationId) as Endpoint;
  await seedExamples();
  const before = (await entries()).length;
  const { status } = await api(examplePath(endpoint), exampleCall(endpoint, owner.token));
  return { status, added: (await entries()).slice(before) };
}

const operations = Object.keys(OPERATIONS) as Operation[];
const isReading = (operationId: Operation) => /^(get|list|export)/.test(operationId);
const changing = operations.filter((each) => !isReading(each) && !CHANGING_NOTHING.includes(each));

describe("the log has an entry of", () => {
  it.each(changing)("%s, with who did it and what changed", async (operationId) => {
    const { status, added } = await newEntries(operationId);
    expect(status).toBeLessThan(300);
    expect(added.length).toBeGreaterThan(0);
    for (const entry of added) {
      // A token is given to a client, not to the person whose token reads the log.
      if (operationId !== "requestToken") expect(entry.actor).toMatchObject({ id: owner.user.stableId, type: "USER" });
      expect([entry.origin, entry.action]).toEqual([expect.any(String), expect.stringMatching(/^[A-Z_]+$/)]);
      expect(entry.target.type).toMatch(/^[A-Z_]+$/);
      if (entry.action !== "UPDATE" || entry.target.property === "SECRET") continue;
      expect("old" in entry || "new" in entry).toBe(true);
      expect(entry.old).not.toEqual(entry.new);
    }
  });
});

describe("the log has nothing of", () => {
  it.each([...operations.filter(isReading), ...CHANGING_NOTHING])("%s", async (operationId) => {
    expect((await newEntries(operationId)).added).toEqual([]);
  });
});
