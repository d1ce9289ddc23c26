// `flarescale issuer-keys`: gives the keys of an issuer that the control server cannot reach to it (docs/federation.md).
import {
  type Command,
  type CommandHelp,
  EXIT_OK,
  type OptionValues,
  parseInteger,
  parseOptions,
  parseOrigin,
  UsageError,
} from "../command-line.ts";
import { keepHeapLean } from "../daemon/lean-heap.ts";
import { DAEMON_OPTIONS, exitOnFailure, nextSignal, openLog } from "../daemon/lifetime.ts";
import { openMetrics, parseListenAddress } from "../daemon/metrics-server.ts";
import { Caretaker } from "./caretaker.ts";
import { ControlApi, type Proof } from "./control-api.ts";
import { type IssuerAddress, IssuerSource, isHttps } from "./issuer-source.ts";
import { KeyKeeper, type Round, timeOf } from "./keeper.ts";

const CLUSTER = "https://kubernetes.default.svc";
const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

const OPTIONS = {
  server: { type: "string", value: "URL", help: "The control server, as https://control.example.com; needed" },
  issuer: { type: "string", value: "URL", help: "Name of the issuer, as it stands in tokens; in a cluster: any" },
  "issuer-address": {
    type: "string",
    value: "URL",
    help: `Where the issuer is reached from here; in a cluster ${CLUSTER}, else the issuer itself`,
  },
  "keys-address": {
    type: "string",
    value: "URL",
    help: "Where its keys are; in a cluster /openid/v1/jwks of the API server, else what the issuer says",
  },
  "issuer-ca": { type: "string", value: "FILE", help: "Certificate authorities of that address; in a cluster its own" },
  "issuer-token": {
    type: "string",
    value: "FILE",
    help: "Bearer token for that address; in a cluster that of the service account",
  },
  "client-id": { type: "string", value: "ID", help: "Federated identity that this agent is, with --id-token" },
  "id-token": { type: "string", value: "FILE", help: "Its token: a projected one of the service account" },
  "client-secret": {
    type: "string",
    value: "TEXT",
    help: "Secret of an OAuth client, in place of --client-id. Set the variable: other users see command lines",
  },
  token: { type: "string", value: "TEXT", help: "API token, in place of either; set the variable" },
  interval: { type: "string", value: "SECONDS", default: "60", help: "Longest time between two looks at the issuer" },
  once: { type: "boolean", help: "Look once and end" },
  json: { type: "boolean", help: "Print a line of JSON to stdout whenever keys were set or confirmed, or once" },
  "metrics-listen": DAEMON_OPTIONS["metrics-listen"],
  "log-format": DAEMON_OPTIONS["log-format"],
} as const;

const HELP: CommandHelp = {
  name: "issuer-keys",
  summary: "give the keys of a private issuer, such as a cluster, to the control server",
  description: [
    "Reads which keys the issuer signs its tokens with and sets them at the control server when they change, and now and",
    "then when they do not: keys that nobody confirms expire there. An administrator must have added the issuer and named",
    "the credential that this agent has, which needs the scope issuer_keys and no other. In a cluster nothing needs to be",
    "said of the issuer.",
  ].join("\n"),
  options: OPTIONS,
  examples: [
    "flarescale issuer-keys --server https://control.example.com --client-id T…CNTRL-k…CNTRL --id-token /var/run/flarescale/token",
    "FLARESCALE_CLIENT_SECRET=… flarescale issuer-keys --server https://control.example.com --issuer https://sso.internal --issuer-ca ca.pem",
    "FLARESCALE_TOKEN=tskey-api-… flarescale issuer-keys --server https://control.example.com --once",
  ],
  exitCodes: [
    "ended by SIGTERM or SIGINT, or the keys are set (--once)",
    "the issuer or the server refused (--once), or the program failed",
    "the command line makes no sense",
  ],
};

/** The command. */
export const issuerKeysCommand: Command = { help: HELP, run };

type Values = OptionValues<typeof OPTIONS>;

async function run(argv: readonly string[]): Promise<number> {
  const values = parseOptions(OPTIONS, argv, process.env);
  const server = parseOrigin("server", values.server);
  const intervalMs = 1_000 * parseInteger("interval", values.interval, 1, 86_400);
  const source = new IssuerSource(issuerAddress(values, process.env.KUBERNETES_SERVICE_HOST !== undefined));
  const keeper = new KeyKeeper(source, new ControlApi(server, proofOf(values)), intervalMs);
  const abort = new AbortController();
  if (values.once) {
    void nextSignal().then(() => abort.abort());
    const round = await keeper.round(abort.signal);
    process.stdout.write(values.json ? jsonLine(round) : `${describe(round)}\n`);
    return EXIT_OK;
  }
  return await keep(keeper, values, intervalMs, abort);
}

/** Looks after the keys until a signal. */
async function keep(keeper: KeyKeeper, values: Values, intervalMs: number, abort: AbortController): Promise<number> {
  const metricsAt = values["metrics-listen"] && parseListenAddress("metrics-listen", values["metrics-listen"]);
  const log = openLog(values["log-format"]);
  exitOnFailure(log);
  keepHeapLean();
  const caretaker = new Caretaker(keeper, log, (round) => {
    if (values.json) process.stdout.write(jsonLine(round));
  });
  const isReady = () => caretaker.expiresAt > Date.now();
  const metrics = metricsAt ? await openMetrics(metricsAt, { registry: caretaker.registry, log, isReady }) : undefined;
  const signalled = nextSignal().then((signal) => {
    abort.abort();
    return signal;
  });
  log.info("keeping keys", { server: values.server, seconds: intervalMs / 1_000, pid: process.pid });
  await caretaker.run(intervalMs, abort.signal);
  metrics?.close();
  log.info("ended", { signal: await signalled });
  return EXIT_OK;
}

/** Where the issuer is reached. @throws UsageError */
export function issuerAddress(values: Values, isInCluster: boolean): IssuerAddress {
  for (const name of ["issuer", "issuer-address", "keys-address"] as const) {
    const url = values[name];
    if (url !== undefined && !isHttps(url)) throw new UsageError(`--${name} must be an https URL, not "${url}"`);
  }
  const { issuer } = values;
  const given = values["issuer-address"];
  // The account's token is for the API server alone, so it goes nowhere else by itself.
  const isCluster = given === undefined && isInCluster;
  const address = given ?? (isCluster ? CLUSTER : issuer);
  if (address === undefined) throw new UsageError("--issuer is needed outside of a cluster");
  return {
    issuer,
    address,
    keysAddress: values["keys-address"] ?? (isCluster ? `${CLUSTER}/openid/v1/jwks` : undefined),
    caFile: values["issuer-ca"] ?? (isCluster ? `${ACCOUNT}/ca.crt` : undefined),
    tokenFile: values["issuer-token"] ?? (isCluster ? `${ACCOUNT}/token` : undefined),
  };
}

/** How this agent proves who it is. @throws UsageError */
function proofOf(values: Values): Proof {
  const { token, "client-secret": secret, "client-id": clientId, "id-token": tokenFile } = values;
  const isIdentity = clientId !== undefined || tokenFile !== undefined;
  if ([token !== undefined, secret !== undefined, isIdentity].filter(Boolean).length !== 1) {
    throw new UsageError("one of --client-id with --id-token, FLARESCALE_CLIENT_SECRET and FLARESCALE_TOKEN is needed");
  }
  if (token !== undefined) return { kind: "token", token: token.trim() };
  if (secret !== undefined) return { kind: "client", secret: secret.trim() };
  if (clientId !== undefined && tokenFile !== undefined) return { kind: "identity", clientId, tokenFile };
  throw new UsageError("--client-id and --id-token belong together");
}

function jsonLine(round: Round): string {
  const { issuer, keyIds, outcome } = round;
  return `${JSON.stringify({ issuer, keyIds, outcome, expires: timeOf(round.expiresAt) })}\n`;
}

function describe(round: Round): string {
  const { keyIds, issuer, outcome } = round;
  return `${issuer}: ${keyIds.length} keys ${outcome}, good until ${timeOf(round.expiresAt)}`;
}
