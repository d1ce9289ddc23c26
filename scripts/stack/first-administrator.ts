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
  await post(
    `${workerUrl}/api/v2/bootstrap`,
    credentials.bootstrapSecret,
    { loginName: LOGIN_NAME, apiToken },
    `the first administrator could not be created with the token in ${credentialsFile(folder)}`,
  );
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
  const { key } = await post<{ key: string }>(
    `${workerUrl}/api/v2/tailnet/-/keys`,
    apiToken,
    { capabilities: { devices: { create } }, expirySeconds: AUTH_KEY_LIFETIME_SECONDS },
    `no auth key could be created with the token in ${credentialsFile(folder)}`,
  );
  return key;
}

async function post<T>(url: string, token: string, body: unknown, whatFailed: string): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${whatFailed}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}
