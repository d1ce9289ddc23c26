// `flarescale gateway`: options to a running gateway, signals to its end.
import { hostname } from "node:os";
import {
  type Command,
  type CommandHelp,
  EXIT_OK,
  type OptionValues,
  parseInteger,
  parseOptions,
  UsageError,
} from "../command-line.ts";
import {
  announceReady,
  DAEMON_OPTIONS,
  exitOnFailure,
  exitOnSecondSignal,
  nextSignal,
  openLog,
  readyFds,
} from "../daemon/lifetime.ts";
import { parseListenAddress } from "../daemon/metrics-server.ts";
import type { Log } from "../log.ts";
import { type Certificate, readCertificate, selfSignedCertificate } from "./certificate.ts";
import { followCertificate } from "./follow-certificate.ts";
import { Gateway, type GatewayOptions } from "./gateway.ts";
import { parseHostMap } from "./upstream/routes.ts";

const OPTIONS = {
  upstream: {
    type: "list",
    value: "[HOST=]URL",
    help: "Origin of the Worker, http or https, of every host or of the one that clients name; needed",
  },
  listen: { type: "string", value: "ADDR", help: "Address to listen on; all addresses when not given" },
  "http-port": { type: "string", value: "PORT", default: "80", help: 'Plain port; 0 for any free one, "off" for none' },
  "https-port": { type: "string", value: "PORT", default: "443", help: 'TLS port; 0 for any free one, "off" for none' },
  "stun-port": { type: "string", value: "PORT", default: "off", help: "UDP port of a STUN server, usually 3478" },
  "tls-cert": { type: "string", value: "FILE", help: "Certificate chain (PEM); read again when it changes" },
  "tls-key": { type: "string", value: "FILE", help: "Key of that certificate (PEM)" },
  name: { type: "list", value: "NAME", help: "DNS name or IP address for the self-signed certificate" },
  state: { type: "string", value: "DIR", help: "Folder that keeps the self-signed certificate; nothing else is kept" },
  "drain-seconds": { type: "string", value: "N", default: "30", help: "Time over which bridges end on SIGTERM" },
  "dials-per-second": { type: "string", value: "N", default: "50", help: "New bridges to the Worker in the long run" },
  ...DAEMON_OPTIONS,
} as const;

const HELP: CommandHelp = {
  name: "gateway",
  summary: "carry the control connections of native clients to the Worker",
  description: [
    "Native Tailscale clients begin their control connection with an HTTP upgrade that Cloudflare's edge drops. A",
    "gateway accepts it and carries the encrypted bytes to the Worker over a WebSocket; every other request it passes on",
    "as it is. It holds no keys and no state. Clients use both ports: a client that reconnects within two minutes tries",
    "TLS on port 443 only, whatever its login server says, so leave both on unless the login server is a private address.",
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "flarescale gateway --upstream https://control.example.com --state /var/lib/flarescale",
    "flarescale gateway --upstream https://control.example.com --tls-cert fullchain.pem --tls-key privkey.pem",
    "flarescale gateway --upstream one.example=https://one.workers.dev --upstream two.example=https://two.workers.dev",
    "flarescale gateway --upstream http://127.0.0.1:8787 --listen 127.0.0.1 --http-port 8080 --https-port off",
  ],
  exitCodes: ["ended by SIGTERM or SIGINT", "could not start, or failed", "the command line makes no sense"],
};

/** The command. */
export const gatewayCommand: Command = { help: HELP, run };

type Values = OptionValues<typeof OPTIONS>;

async function run(argv: readonly string[]): Promise<number> {
  const values = parseOptions(OPTIONS, argv, process.env);
  const drainSeconds = parseInteger("drain-seconds", values["drain-seconds"], 0, 3_600);
  const fds = readyFds(values);
  const log = openLog(values["log-format"]);
  exitOnFailure(log);
  const options = await optionsOf(values, log);
  const gateway = new Gateway(options);
  // Before anybody is told that the gateway is ready: whoever waits for that may send a signal at once.
  const signalled = nextSignal();
  const certSha256 = options.https?.certificate.sha256;
  keepCertificateFresh(values, gateway, { sha256: certSha256, log });
  const ports = await gateway.open();
  log.info("listening", { ...ports, certSha256, upstream: values.upstream.join(", "), pid: process.pid });
  announceReady(fds, { ...ports, certSha256 });
  const signal = await signalled;
  log.info("draining", { signal, bridges: gateway.bridges, seconds: drainSeconds });
  exitOnSecondSignal(log);
  const { seconds, bridges, ended } = await gateway.drain(drainSeconds);
  log.info("drained", { signal, seconds: Number(seconds.toFixed(1)), bridges, ...ended });
  return EXIT_OK;
}

async function optionsOf(values: Values, log: Log): Promise<GatewayOptions> {
  const upstreams = parseHostMap(values.upstream);
  const httpPort = portOf("http-port", values["http-port"]);
  const httpsPort = portOf("https-port", values["https-port"]);
  if (httpPort === undefined && httpsPort === undefined) throw new UsageError("one of the two ports must be on");
  const metrics = values["metrics-listen"];
  return {
    upstreams,
    listen: values.listen,
    httpPort,
    https: httpsPort === undefined ? undefined : { port: httpsPort, certificate: await certificateOf(values) },
    stunPort: portOf("stun-port", values["stun-port"]),
    metrics: metrics === undefined ? undefined : parseListenAddress("metrics-listen", metrics),
    dialsPerSecond: parseInteger("dials-per-second", values["dials-per-second"], 1, 10_000),
    log,
  };
}

async function certificateOf(values: Values): Promise<Certificate> {
  const { "tls-cert": cert, "tls-key": key, name, state } = values;
  if (cert !== undefined && key !== undefined) return await readCertificate(cert, key);
  if (cert !== undefined || key !== undefined) throw new UsageError("--tls-cert and --tls-key go together");
  return await selfSignedCertificate(name.length > 0 ? name : [hostname(), "localhost", "127.0.0.1", "::1"], state);
}

const CERTIFICATE_CHECK_MS = 60_000;

/** A given certificate is read again every minute, and at once on SIGHUP. */
function keepCertificateFresh(
  { "tls-cert": certFile, "tls-key": keyFile }: Values,
  gateway: Gateway,
  { sha256, log }: { readonly sha256: string | undefined; readonly log: Log },
): void {
  if (certFile === undefined || keyFile === undefined) return;
  const check = followCertificate({
    read: () => readCertificate(certFile, keyFile),
    use: (certificate) => gateway.useCertificate(certificate),
    inUse: sha256,
    log,
  });
  setInterval(() => void check(), CERTIFICATE_CHECK_MS).unref();
  process.on("SIGHUP", () => void check());
}

function portOf(option: string, text: string): number | undefined {
  return text === "off" ? undefined : parseInteger(option, text, 0, 65_535);
}
