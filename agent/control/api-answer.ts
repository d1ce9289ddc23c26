// Answers of the API of a control server: JSON objects, those that refuse with the reason as `message`.

/** The object in an answer's body; undefined: it is none, so that something else has answered. */
export function readAnswer(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Why a server refused, in its own words if they are its, with the status. */
export function refusalText(status: number, text: string): string {
  const message = readAnswer(text)?.message;
  return `${typeof message === "string" ? message : "the answer is not that of flarescale"} (${status})`;
}
