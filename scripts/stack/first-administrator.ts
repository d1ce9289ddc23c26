// The first administrator of a fresh tailnet, and an auth key made with that administrator's token: what turns a running
// Worker into one that a person can use at once.
import { randomBytes } from "node:crypto";
import { mintToken } from "../../worker/tailnet/entities/secret-token.ts";
import {
  type Credentials,
  credentialsFile,
  readCredentials,
  type StateFolder,
  writeCredentials,
} from "./state-folder.ts";

const LOGIN_NAME = "admin@localhost";
const AUTH_KEY_LIFETIME_SECONDS = 86_400;

/** The administrator's API token; creates the administrator the first time. The token is made here and kept in the
 *  folder before the Worker hears of it: a start that dies in between leaves a token that the next one can use.
 *  @throws when the Worker refuses. */
export async function administratorToken(workerUrl: string, folder: StateFolder): Promise<string> {
  const credentials: Credentials = readCredentials(folder);
  if (credentials.apiToken !== undefined && (await isValid(workerUrl, credentials.apiToken))) {
    return credentials.apiToken;
  }
  const apiToken = credentials.apiToken ?? mintToken("api", randomBytes).text;
  writeCredentials(folder, { ...credentials, apiToken });
  const body = { loginName: LOGIN_NAME, apiToken };
  const made = await post(`${workerUrl}/api/v2/bootstrap`, credentials.bootstrapSecret, body);
  if (made.status === 409) {
    writeCredentials(folder, credentials); // the token was never good
    throw new Error(
      `there is an administrator already, whom "flarescale admin" made, and ${credentialsFile(folder)} holds no API token ` +
        'that works: put one of an administrator there as "apiToken", or go on with npm run serve, which needs none',
    );
  }
  if (!made.ok) {
    throw new Error(`the first administrator could not be made: ${await refusalOf(made)}`);
  }
  return apiToken;
}

async function isValid(workerUrl: string, apiToken: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${apiToken}` };
  const response = await fetch(`${workerUrl}/api/v2/tailnet/-/settings`, { headers });
  await response.body?.cancel();
  return response.status !== 401;
}

/** A new auth key: reusable for a day, and its nodes need no approval. @throws when the Worker refuses. */
export async function createAuthKey(workerUrl: string, apiToken: string, folder: StateFolder): Promise<string> {
  const create = { reusable: true, ephemeral: false, preauthorized: true, tags: [] };
  const body = { capabilities: { devices: { create } }, expirySeconds: AUTH_KEY_LIFETIME_SECONDS };
  const made = await post(`${workerUrl}/api/v2/tailnet/-/keys`, apiToken, body);
  if (!made.ok) {
    const file = credentialsFile(folder);
    throw new Error(`no auth key could be made with the apiToken in ${file}: ${await refusalOf(made)}`);
  }
  return ((await made.json()) as { key: string }).key;
}

async function refusalOf(response: Response): Promise<string> {
  return `${response.status} ${await response.text()}`;
}

async function post(url: string, token: string, body: unknown): Promise<Response> {
  return await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
