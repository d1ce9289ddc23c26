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
import { keepHeapLean } from "../daemon/lean-heap.ts";
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
import { type CertificateSource, followCertificate } from "./follow-certificate.ts";
import { Gateway, type GatewayOptions } from "./gateway.ts";
import { parseHostFiles, readHostCertificate } from "./host-certificates.ts";
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
  "tls-host": {
    type: "list",
    value: "HOST=CERT:KEY",
    help: "Certificate and key (PEM files) for clients that ask for this host; *.HOST for any below it",
  },
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
    "flarescale gateway --upstream https://control.example.com --tls-host derp.example.com=derp.pem:derp-key.pem",
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
  keepHeapLean();
  const options = await optionsOf(values, log);
  const gateway = new Gateway(options);
  // Before anybody is told that the gateway is ready: whoever waits for that may send a signal at once.
  const signalled = nextSignal();
  const certSha256 = options.https?.certificate.sha256;
  keepFresh([...ownSource(values, gateway, certSha256, log), ...(await useHostCertificates(values, gateway, log))]);
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
  parseHostFiles(values["tls-host"]); // what makes no sense is said before anything is opened
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

/** The gateway's own certificate, when it is a given one. */
function ownSource(values: Values, gateway: Gateway, inUse: string | undefined, log: Log): CertificateSource[] {
  const { "tls-cert": certFile, "tls-key": keyFile } = values;
  if (certFile === undefined || keyFile === undefined) return [];
  const read = () => readCertificate(certFile, keyFile);
  return [{ read, use: (certificate) => gateway.useCertificate(certificate), inUse, log }];
}

/** Puts the certificates of hosts in place. @throws Error when one of them cannot be used */
async function useHostCertificates(values: Values, gateway: Gateway, log: Log): Promise<CertificateSource[]> {
  const sources: CertificateSource[] = [];
  for (const files of parseHostFiles(values["tls-host"])) {
    const { host } = files;
    const certificate = await readHostCertificate(files);
    gateway.useCertificate(certificate, host);
    const read = () => readHostCertificate(files);
    const use = (renewed: Certificate) => gateway.useCertificate(renewed, host);
    sources.push({ read, use, inUse: certificate.sha256, host, log });
  }
  return sources;
}

/** Given certificates are read again every minute, and at once on SIGHUP. */
function keepFresh(sources: readonly CertificateSource[]): void {
  if (sources.length === 0) return;
  const checks = sources.map(followCertificate);
  const checkAll = () => {
    for (const check of checks) void check();
  };
  setInterval(checkAll, CERTIFICATE_CHECK_MS).unref();
  process.on("SIGHUP", checkAll);
}

function portOf(option: string, text: string): number | undefined {
  return text === "off" ? undefined : parseInteger(option, text, 0, 65_535);
}
