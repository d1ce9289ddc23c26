// `npm start`: a complete flarescale on this machine, ready for a first client. Runs the Worker and a gateway, creates
// the first administrator and an auth key, and prints what to type next, or one line of JSON for scripts.
import { parseArgs } from "node:util";
import { STUN_PORT } from "../worker/protocol/stun.ts";
import { parseFolder, parseOptionalPort, parsePort, readJsonFile, receiverVars, runCommand } from "./command-line.ts";
import { isFreeUdpPort } from "./stack/address.ts";
import { administratorToken, createAuthKey } from "./stack/first-administrator.ts";
import { runStack, type Stack, type StackOptions } from "./stack/stack.ts";
import { credentialsFile, openStateFolder, readCredentials } from "./stack/state-folder.ts";
import { variablesIn } from "./worker/wrangler-settings.ts";

const HELP = `Runs a complete flarescale on this machine: the Worker in workerd and a gateway beside it.

Usage: npm start -- [options]

  --listen ADDRESS     address to listen on (default 127.0.0.1; 0.0.0.0 for every interface)
  --hostname NAME      name or address that clients use for this machine; it stands in URLs and in the
                       gateway's certificate (default 127.0.0.1)
  --http-port PORT     the gateway's HTTP port (default 8080)
  --https-port PORT    the gateway's HTTPS port (default 8443)
  --stun-port PORT     the gateway's UDP port for STUN, or "off" (default 3478, or a free one when that is taken)
  --worker-port PORT   the Worker's port, for browsers and API clients (default 8787); 0 takes a free port, for
                       each of the four
  --state FOLDER       where everything is kept (default .flarescale in the repository)
  --derp-map FILE      DERP map for the clients, as JSON; without it they relay through this machine's gateway
  --derp-regions FILE  regions that this machine relays for, as JSON (DERP_REGIONS in wrangler.toml); they take the
                       place of the one that it tells clients of by itself
  --private-receivers LIST
                       hosts in private networks that log streams and webhooks may be sent to, as host:port,
                       separated by commas (PRIVATE_RECEIVERS in wrangler.toml)
  --json               print one line of JSON when ready, and nothing else, to standard output:
                       {"controlUrl","workerUrl","apiUrl","authKey","apiToken","pids"}
  --help               this text

Every variable that wrangler.toml explains may be set in the environment.

Clients that use a public name or address come back over TLS on port 443 after a lost connection, whatever the login
server says: give such a machine --http-port 80 --https-port 443. Loopback and private addresses need no such care.

Everything that is logged goes to standard error. Ctrl-C, SIGTERM and SIGHUP stop all of it; what it knows stays in
the state folder. npm prints lines of its own to standard output unless it is told not to: for scripts use
"npm start --silent -- --json". The exit code is 0 after a signal, 1 when a part failed, 2 for a wrong option.
`;

const OPTIONS = {
  listen: { type: "string", default: "127.0.0.1" },
  hostname: { type: "string", default: "127.0.0.1" },
  "http-port": { type: "string", default: "8080" },
  "https-port": { type: "string", default: "8443" },
  "stun-port": { type: "string" },
  "worker-port": { type: "string", default: "8787" },
  state: { type: "string", default: ".flarescale" },
  "derp-map": { type: "string" },
  "derp-regions": { type: "string" },
  json: { type: "boolean", default: false },
  "private-receivers": { type: "string" },
  help: { type: "boolean", default: false },
} as const;

await runCommand(async () => {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const folder = openStateFolder(parseFolder("state", values.state));
  const options: StackOptions = {
    folder,
    listen: values.listen,
    hostname: values.hostname,
    workerPort: parsePort("worker-port", values["worker-port"]),
    gateway: {
      httpPort: parsePort("http-port", values["http-port"]),
      httpsPort: parsePort("https-port", values["https-port"]),
      stunPort: await stunPort(values["stun-port"], values.listen),
    },
    vars: {
      ...variablesIn(process.env),
      BOOTSTRAP_SECRET: readCredentials(folder).bootstrapSecret,
      ...relayVars(values["derp-map"], values["derp-regions"]),
      ...receiverVars(values["private-receivers"]),
    },
  };
  return runStack(options, async (stack) => {
    const apiToken = await administratorToken(stack.localUrl, folder);
    const authKey = await createAuthKey(stack.localUrl, apiToken, folder);
    const ready = { ...urls(stack), authKey, apiToken, pids: stack.pids };
    process.stdout.write(values.json ? `${JSON.stringify(ready)}\n` : greeting(stack, authKey, options));
  });
});

function relayVars(map: string | undefined, regions: string | undefined): Record<string, string> {
  return {
    ...(map !== undefined && { DERP_MAP: readJsonFile("derp-map", map) }),
    ...(regions !== undefined && { DERP_REGIONS: readJsonFile("derp-regions", regions) }),
    ...(regions !== undefined && map === undefined && { DERP_MAP: "" }),
  };
}

/** The port asked for, or the usual one: several of these may run on one machine, and the DERP map tells the port. */
async function stunPort(asked: string | undefined, listen: string): Promise<number | null> {
  if (asked !== undefined) return parseOptionalPort("stun-port", asked);
  return (await isFreeUdpPort(listen, STUN_PORT)) ? STUN_PORT : 0;
}

function urls({ controlUrl, workerUrl }: Stack): { controlUrl: string; workerUrl: string; apiUrl: string } {
  return { controlUrl, workerUrl, apiUrl: workerUrl };
}

function greeting({ controlUrl, workerUrl }: Stack, authKey: string, { folder }: StackOptions): string {
  return `
flarescale is running. Connect a machine with:

  tailscale up --login-server=${controlUrl} --auth-key=${authKey}

  control URL   ${controlUrl}
  auth key      ${authKey} (reusable, valid for a day; every start prints a new one)
  API           ${workerUrl}/api/v2, token in ${credentialsFile(folder)}
  state         ${folder.root}
  stop          Ctrl-C; a later start continues where this one stopped
`;
}
