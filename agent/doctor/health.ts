// GET /health, which tells what an administrator must look after: a policy file that does not compile any more, keys of an
// issuer that have expired. Clients connect all the same, and then something else does not work.
import { readAnswer } from "../control/api-answer.ts";
import { type Finding, failureText, ok, printable, problem, skipped } from "../finding.ts";
import { fetchPage } from "./fetch-page.ts";
import type { LoginServer } from "./login-server.ts";

const CHECK = "health";
/** Notes that are shown; a server that has more has said enough. */
const NOTES_MAX = 10;

/** Asks the server for its health. */
export async function checkHealth({ url }: LoginServer): Promise<readonly Finding[]> {
  try {
    const { status, body } = await fetchPage(new URL("/health", url));
    const answer = readAnswer(body);
    if (status === 200 && answer?.status === "pass") return [ok(CHECK, "the server says that all is well")];
    if (status !== 200 || answer?.status !== "warn" || !Array.isArray(answer.notes)) {
      return [skipped(CHECK, "the server does not say how it is")];
    }
    const notes = answer.notes.filter((note): note is string => typeof note === "string").slice(0, NOTES_MAX);
    return notes.map((note) => problem(CHECK, `the server says: ${printable(note)}`, "Tell an administrator."));
  } catch (error) {
    return [skipped(CHECK, `GET /health: ${failureText(error)}`)];
  }
}
