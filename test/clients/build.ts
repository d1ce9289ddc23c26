// The real Tailscale clients that the end-to-end tests run, built from the public Go modules in current/ and older/;
// api/ has the official client of the REST API, receivers/ what log streams are sent to.
//
// `node test/clients/build.ts` builds what is missing into test/clients/bin/ and prints the paths as JSON; tests call
// `clientBinaries()`. current/ pins the newest release that we support, older/ the oldest (capability version 113).
import { join } from "node:path";
import { BuildError, buildMissing, type GoModule } from "./go-build.ts";

const here = import.meta.dirname;

/** Version of tailscale.com that each module pins, and the capability version that its clients announce. */
export const clientVersions = {
  current: { version: "1.102.3", capabilityVersion: 142 },
  older: { version: "1.80.3", capabilityVersion: 113 },
} as const;

/** Which of the two releases a test wants. */
export type ClientRelease = keyof typeof clientVersions;

/** Absolute paths of everything that was built. */
export interface ClientBinaries {
  readonly current: {
    readonly tailscaled: string;
    readonly tailscale: string;
    readonly derper: string;
    /** Our own program around the official DERP client, see current/cmd/derp-client. */
    readonly derpClient: string;
    /** Our own tsnet program, see current/cmd/tsnet-peer. */
    readonly tsnetPeer: string;
    /** Upstream's in-memory control server, see current/cmd/reference-control. */
    readonly referenceControl: string;
    /** Upstream's browser client (cmd/tsconnect/wasm), GOOS=js GOARCH=wasm. */
    readonly wasm: string;
    /** Go's loader for it, from the same Go release. */
    readonly wasmExec: string;
  };
  readonly older: {
    readonly tailscaled: string;
    readonly tailscale: string;
  };
}

/*
 * What no test of a control server can notice is left out, first of all to send nothing by mistake to anybody: logtail,
 * captiveportal, cloud and clientupdate talk to hosts of their own accord. The rest saves time.
 * Measured once each with Go 1.26.8 on 2 shared cores: tailscaled takes 171 s with everything (751 packages, 30 MB) and
 * 131 s so, from an empty build cache; the first of the two also fetched modules. Packages now: 600, 25 MB.
 * All of this file took 4.5 minutes from an empty module cache and a build cache that was nearly empty.
 * kube stays: it is 3 packages, and containerboot keeps a node's state in a Secret through it.
 * ts_debug_websockets adds a switch (TS_DEBUG_DERP_WS_CLIENT) with which a native client speaks DERP over WebSockets.
 */
const currentTags = [
  ...omit("logtail", "netlog", "captiveportal", "cloud", "clientupdate"),
  ...omit("aws", "bird", "tap", "tpm", "syspolicy", "doctor", "capture", "portlist"),
  ...omit("networkmanager", "resolved", "desktop_sessions", "systray", "synology", "syslog", "sdnotify"),
  ...omit("completion", "completion_scripts", "colorable", "qrcodes", "flashappliance", "wakeonlan"),
  ...omit("linkspeed", "tundevstats", "serviceclientprefs"),
  "ts_debug_websockets",
];

/** All the optional parts that 1.80 can leave out, but SSH. */
const olderTags = omit("aws", "bird", "capture", "completion", "kube", "tap", "wakeonlan");

function omit(...features: string[]): string[] {
  return features.map((feature) => `ts_omit_${feature}`);
}

function moduleOf(release: ClientRelease, targets: GoModule["targets"]): GoModule {
  const { version } = clientVersions[release];
  return {
    name: release,
    dir: join(here, release),
    binDir: join(here, "bin", release),
    // Without stamps a client calls itself "1.102.3-ERR-BuildInfo", because tailscale.com is not the main module.
    stamps: { "tailscale.com/version.shortStamp": version, "tailscale.com/version.longStamp": version },
    targets,
  };
}

const current = moduleOf("current", [
  { name: "tailscaled", package: "tailscale.com/cmd/tailscaled", tags: currentTags },
  { name: "tailscale", package: "tailscale.com/cmd/tailscale", tags: currentTags },
  { name: "derper", package: "tailscale.com/cmd/derper", tags: currentTags },
  { name: "derp-client", package: "./cmd/derp-client", tags: currentTags },
  { name: "tsnet-peer", package: "./cmd/tsnet-peer", tags: currentTags },
  { name: "reference-control", package: "./cmd/reference-control", tags: currentTags },
  { name: "control-load", package: "./cmd/control-load", tags: currentTags },
  {
    name: "client.wasm",
    package: "tailscale.com/cmd/tsconnect/wasm",
    tags: "./cmd/wasm-tags",
    goos: "js",
    goarch: "wasm",
    companion: "lib/wasm/wasm_exec.js",
  },
]);

const older = moduleOf("older", [
  { name: "tailscaled", package: "tailscale.com/cmd/tailscaled", tags: olderTags },
  { name: "tailscale", package: "tailscale.com/cmd/tailscale", tags: olderTags },
]);

/**
 * Builds the clients that are missing (minutes on an empty Go cache, milliseconds afterwards) and says where they are.
 * @throws BuildError when Go is missing or a build fails
 */
export async function clientBinaries(): Promise<ClientBinaries> {
  await buildMissing(current);
  await buildMissing(older);
  const inCurrent = (name: string) => join(current.binDir, name);
  const inOlder = (name: string) => join(older.binDir, name);
  return {
    current: {
      tailscaled: inCurrent("tailscaled"),
      tailscale: inCurrent("tailscale"),
      derper: inCurrent("derper"),
      derpClient: inCurrent("derp-client"),
      tsnetPeer: inCurrent("tsnet-peer"),
      referenceControl: inCurrent("reference-control"),
      wasm: inCurrent("client.wasm"),
      wasmExec: inCurrent("wasm_exec.js"),
    },
    older: { tailscaled: inOlder("tailscaled"), tailscale: inOlder("tailscale") },
  };
}

/** Our program around the official Go client of the REST API; a module of its own, for it shares nothing with the rest. */
const api: GoModule = {
  name: "api",
  dir: join(here, "api"),
  binDir: join(here, "bin", "api"),
  stamps: {},
  targets: [
    { name: "api-client", package: "./cmd/api-client" },
    { name: "operator-flows", package: "./cmd/operator-flows" },
  ],
};

/** Upstream's own commands that use nothing but the REST API, its first client of it, and its formatter of policy files. */
const apiTools = moduleOf("current", [
  { name: "gitops-pusher", package: "tailscale.com/cmd/gitops-pusher", tags: currentTags },
  { name: "get-authkey", package: "tailscale.com/cmd/get-authkey", tags: currentTags },
  { name: "first-api-client", package: "./cmd/first-api-client", tags: currentTags },
  { name: "hujson-format", package: "./cmd/hujson-format", tags: currentTags },
]);

/** Builds only the programs that drive the REST API, when they are missing, and says where they are. @throws BuildError */
export async function apiBinaries(): Promise<
  Record<"apiClient" | "operatorFlows" | "gitopsPusher" | "getAuthkey" | "firstApiClient" | "hujsonFormat", string>
> {
  await buildMissing(api);
  await buildMissing(apiTools);
  return {
    apiClient: join(api.binDir, "api-client"),
    operatorFlows: join(api.binDir, "operator-flows"),
    gitopsPusher: join(apiTools.binDir, "gitops-pusher"),
    getAuthkey: join(apiTools.binDir, "get-authkey"),
    firstApiClient: join(apiTools.binDir, "first-api-client"),
    hujsonFormat: join(apiTools.binDir, "hujson-format"),
  };
}

/** Receivers of log streams that no one here wrote; they show that what is sent is what the world understands. */
const receivers: GoModule = {
  name: "receivers",
  dir: join(here, "receivers"),
  binDir: join(here, "bin", "receivers"),
  stamps: {},
  targets: [
    { name: "versitygw", package: "github.com/versity/versitygw/cmd/versitygw" },
    { name: "victoria-logs", package: "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs" },
  ],
};

/** Builds only the receivers of log streams, when they are missing, and says where they are. @throws BuildError */
export async function receiverBinaries(): Promise<Record<"s3Server" | "logStore", string>> {
  await buildMissing(receivers);
  return { s3Server: join(receivers.binDir, "versitygw"), logStore: join(receivers.binDir, "victoria-logs") };
}

/** OpenTofu, for the Terraform provider's acceptance tests. */
const openTofu: GoModule = {
  name: "opentofu",
  dir: join(here, "opentofu"),
  binDir: join(here, "bin", "opentofu"),
  stamps: {},
  targets: [{ name: "tofu", package: "github.com/opentofu/opentofu/cmd/tofu" }],
};

/** Builds only OpenTofu (many minutes on an empty Go cache), when it is missing, and says where it is. @throws BuildError */
export async function openTofuBinary(): Promise<string> {
  await buildMissing(openTofu);
  return join(openTofu.binDir, "tofu");
}

/** Builds only the load program of the bench, when it is missing, and says where it is. @throws BuildError */
export async function loadBinary(): Promise<string> {
  const targets = current.targets.filter(({ name }) => name === "control-load");
  await buildMissing({ ...current, targets });
  return join(current.binDir, "control-load");
}

if (import.meta.main) {
  try {
    console.log(
      JSON.stringify({ ...(await clientBinaries()), ...(await apiBinaries()), ...(await receiverBinaries()) }, null, 2),
    );
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
