// The first administrator of a fresh tailnet, and an auth key made with that administrator's token: what turns a running
// Worker into one that a person can use at once.
import {
  type Credentials,
  credentialsFile,
  readCredentials,
  type StateFolder,
  writeCredentials,
} from "./state-folder.ts";

const LOGIN_NAME = "admin@localhost";
const AUTH_KEY_LIFETIME_SECONDS = 86_400;

/** The administrator's API token; creates the administrator the first time and keeps the token in the folder.
 *  @throws when the Worker refuses. */
export async function administratorToken(workerUrl: string, folder: StateFolder): Promise<string> {
  const credentials: Credentials = readCredentials(folder);
  if (credentials.apiToken) return credentials.apiToken;
  const { apiToken } = await post<{ apiToken: string }>(
    `${workerUrl}/api/v2/bootstrap`,
    credentials.bootstrapSecret,
    { loginName: LOGIN_NAME },
    "the first administrator could not be created",
  );
  writeCredentials(folder, { ...credentials, apiToken });
  return apiToken;
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
