// `npm run serve`: the Worker in a plain workerd, as a server of one's own runs it (docs/self-host.md). Variables and
// secrets come from the environment. It creates no administrator and no key; `npm start` is the one that does.
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { parseFolder, parseOptionalPort, parsePort, receiverVars, runCommand } from "./command-line.ts";
import { runStack } from "./stack/stack.ts";
import { openStateFolder, readCredentials } from "./stack/state-folder.ts";
import { bundleWorker } from "./worker/worker-bundle.ts";
import { workerdConfig } from "./worker/workerd-config.ts";
import { readWranglerSettings, variablesIn } from "./worker/wrangler-settings.ts";

const HELP = `Runs the Worker in a plain workerd, without Cloudflare. docs/self-host.md tells the rest.

Usage: npm run serve -- [options]

  --listen ADDRESS     address to listen on (default 127.0.0.1; 0.0.0.0 for every interface)
  --hostname NAME      name or address that clients use for this machine (default 127.0.0.1)
  --port PORT          port of the Worker (default 8787); 0 takes a free port
  --gateway            run a gateway for native clients beside it
  --http-port PORT     the gateway's HTTP port (default 80)
  --https-port PORT    the gateway's HTTPS port (default 443)
  --stun-port PORT     the gateway's UDP port for STUN (default 3478), or "off"
  --state FOLDER       where everything is kept (default .flarescale in the repository)
  --private-receivers LIST
                       hosts in private networks that log streams and webhooks may be sent to, as host:port,
                       separated by commas (PRIVATE_RECEIVERS in wrangler.toml)
  --print-config       print workerd's configuration and end
  --build FOLDER       write what a workerd elsewhere needs (worker.js, workerd.capnp, flarescale.env) and end
  --help               this text

Every variable that wrangler.toml explains, and the secret BOOTSTRAP_SECRET, may be set in the environment. Without it
a secret is made and kept in the state folder, where "flarescale admin --state FOLDER" finds it. PUBLIC_URL and CONTROL_URL are worked out from the options above when they are not.
SIGINT, SIGTERM and SIGHUP stop it. The exit code is 0 after a signal, 1 when a part failed, 2 for a wrong option.
`;

const OPTIONS = {
  listen: { type: "string", default: "127.0.0.1" },
  hostname: { type: "string", default: "127.0.0.1" },
  port: { type: "string", default: "8787" },
  gateway: { type: "boolean", default: false },
  "http-port": { type: "string", default: "80" },
  "https-port": { type: "string", default: "443" },
  "stun-port": { type: "string", default: "3478" },
  state: { type: "string", default: ".flarescale" },
  "print-config": { type: "boolean", default: false },
  build: { type: "string" },
  "private-receivers": { type: "string" },
  help: { type: "boolean", default: false },
} as const;

const BUNDLE = "worker.js";

await runCommand(async () => {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values["print-config"]) {
    process.stdout.write(workerdConfig(readWranglerSettings(), BUNDLE));
    return 0;
  }
  if (values.build !== undefined) return writeBuild(parseFolder("build", values.build));
  const httpPort = parsePort("http-port", values["http-port"]);
  const httpsPort = parsePort("https-port", values["https-port"]);
  const stunPort = parseOptionalPort("stun-port", values["stun-port"]);
  const folder = openStateFolder(parseFolder("state", values.state));
  const options = {
    folder,
    listen: values.listen,
    hostname: values.hostname,
    workerPort: parsePort("port", values.port),
    gateway: values.gateway ? { httpPort, httpsPort, stunPort } : null,
    vars: {
      BOOTSTRAP_SECRET: readCredentials(folder).bootstrapSecret,
      ...variablesIn(process.env),
      ...receiverVars(values["private-receivers"]),
    },
  };
  return runStack(options, async ({ workerUrl, controlUrl }) => {
    console.error(`flarescale: Worker at ${workerUrl}${values.gateway ? `, gateway at ${controlUrl}` : ""}`);
  });
});

/** Writes the bundle, the configuration that embeds it and the default of every variable. */
async function writeBuild(folder: string): Promise<number> {
  const settings = readWranglerSettings();
  await mkdir(folder, { recursive: true });
  await bundleWorker(settings.main, path.join(folder, BUNDLE));
  await writeFile(path.join(folder, "workerd.capnp"), workerdConfig(settings, BUNDLE));
  const defaults = Object.entries({ ...settings.vars, BOOTSTRAP_SECRET: "" });
  await writeFile(
    path.join(folder, "flarescale.env"),
    `${defaults.map(([name, value]) => `${name}=${value}`).join("\n")}\n`,
  );
  return 0;
}
