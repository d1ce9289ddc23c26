// All checks of a login server, in the order in which a client runs into them. What depends on nothing runs side by side.
import { type Finding, ok, problem, skipped } from "../finding.ts";
import { checkUpgrade, checkWebSocket } from "./control-upgrade.ts";
import { checkHealth } from "./health.ts";
import type { LoginServer } from "./login-server.ts";
import { checkName, checkPort } from "./reach.ts";
import { checkKey } from "./server-key.ts";

/** Examines a login server from this machine. */
export async function examine(server: LoginServer): Promise<readonly Finding[]> {
  const name = await checkName(server);
  if (name.status === "problem") return [checkUrl(server), name, skipped("everything else", "needs the name")];
  const targets = [server.plain, ...(server.tls ? [server.tls] : [])];
  const [ports, { findings, serverKey }, health] = await Promise.all([
    Promise.all(targets.map((target) => checkPort(server, target))),
    checkKey(server),
    checkHealth(server),
  ]);
  const upgrades =
    serverKey === undefined
      ? [skipped("upgrade", "needs the server's key"), skipped("websocket", "needs the server's key")]
      : await Promise.all([
          ...targets.map((target) => checkUpgrade(server, target, serverKey)),
          checkWebSocket(server, serverKey),
        ]);
  return [checkUrl(server), name, ...ports, ...forcedTls(server), ...findings, ...upgrades, ...health];
}

function checkUrl({ url }: LoginServer): Finding {
  const isOrigin = url.pathname === "/" && url.search === "" && url.hash === "";
  if (isOrigin) return ok("url", `${url.origin} is a plain origin`);
  return problem("url", "the URL has a path", `Clients upgrade at the root of the host: use ${url.origin}.`);
}

/** Says what becomes of clients that dial again soon; the ports themselves have findings of their own. */
function forcedTls({ url, tls }: LoginServer): Finding[] {
  if (url.protocol === "https:") return [];
  const detail =
    tls === undefined
      ? "clients never use TLS with this private address"
      : `clients that dial again within two minutes use TLS on port ${tls.port} only`;
  return [tls === undefined ? skipped("forced TLS", detail) : ok("forced TLS", detail)];
}
