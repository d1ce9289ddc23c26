// Networks of Linux network namespaces, so that nodes of a test have addresses, routes and resolvers of their own and
// can reach nothing but each other: a bridge in the host's namespace, a private /24, and no default route.
//
// Each namespace has an /etc of its own, bound over /etc for the processes in it. `ip netns` offers single files in
// /etc/netns/<name> for that; but tailscaled renames resolv.conf and leaves a backup beside it, and a file that is a
// mount point cannot be renamed, while the backup would land in the host's /etc.
//
// Needs root. Names start with the run's prefix; what a crashed run left behind is removed before the first network.
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { execute, mustExecute, type Output } from "./command.ts";
import { isLeftover, nextNumber, runPrefix, scratchDir } from "./run.ts";

/** A bridge whose host side has an address, for servers that run outside the namespaces. */
export interface Network {
  readonly bridge: string;
  /** Address of the host on this network, without prefix length; private (RFC 1918). */
  readonly hostAddress: string;
  /** `10.x.y.0/24`. */
  readonly subnet: string;
  /** Makes a namespace with one interface on this network. */
  attach(label: string, options?: NamespaceOptions): Promise<Namespace>;
  /** Gives an existing namespace one more interface, on this network; returns its address. */
  join(namespace: Namespace): Promise<string>;
  /** Removes the bridge and the namespaces attached to it, with the processes that are still in them. */
  close(): Promise<void>;
}

/** What a namespace starts with. */
export interface NamespaceOptions {
  /** Names for /etc/hosts, each with its address. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Name servers for /etc/resolv.conf; none by default. */
  readonly nameservers?: readonly string[];
}

/** A network namespace. */
export class Namespace {
  readonly name: string;
  /** Its address on the network that made it. */
  readonly address: string;
  /** The folder that its processes see as /etc. */
  readonly etcDir: string;

  constructor(name: string, address: string, etcDir: string) {
    this.name = name;
    this.address = address;
    this.etcDir = etcDir;
  }

  /** The command line that runs `argv` in here; the process keeps its id. */
  command(argv: readonly string[]): string[] {
    const script = 'mount --bind "$0" /etc && exec "$@"';
    return ["ip", "netns", "exec", this.name, "sh", "-c", script, this.etcDir, ...argv];
  }

  /** Runs a command to its end. */
  async exec(argv: readonly string[], timeoutMs = 60_000): Promise<Output> {
    return execute(this.command(argv), timeoutMs);
  }

  /** Fetches a URL as a program in here would: names go through this namespace's /etc/resolv.conf. */
  async fetch(url: string, timeoutMs = 30_000): Promise<{ status: number; body: string }> {
    const program =
      "const [url, ms] = process.argv.slice(1);" +
      "const reply = await fetch(url, { signal: AbortSignal.timeout(Number(ms)) });" +
      "console.log(JSON.stringify({ status: reply.status, body: await reply.text() }));";
    return JSON.parse(await this.#evaluate(program, [url, String(timeoutMs)], timeoutMs + 30_000));
  }

  /** Addresses of a name as programs in here see them, sorted. */
  async lookup(name: string): Promise<string[]> {
    const program =
      "const found = await require('node:dns/promises').lookup(process.argv[1], { all: true });" +
      "console.log(JSON.stringify(found.map((each) => each.address).sort()));";
    return JSON.parse(await this.#evaluate(program, [name], 60_000));
  }

  /** Lets this namespace forward packets between its interfaces, as a subnet router needs. */
  async enableForwarding(): Promise<void> {
    const script = "for f in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 > /proc/sys/net/$f; done";
    await mustExecute(this.command(["sh", "-c", script]));
  }

  /** Ends the processes in here and removes the namespace; what is gone already is no error. */
  async close(): Promise<void> {
    await removeNamespace(this.name);
    rmSync(this.etcDir, { recursive: true, force: true });
  }

  async #evaluate(program: string, args: string[], timeoutMs: number): Promise<string> {
    // A connection that nobody answers would hold the process for ten seconds more.
    const end = "() => process.exit(0), (error) => { console.error(error); process.exit(1); }";
    const wrapped = `(async () => { ${program} })().then(${end});`;
    return mustExecute(this.command([process.execPath, "-e", wrapped, ...args]), timeoutMs);
  }
}

/** Makes a network with an unused subnet. */
export async function createNetwork(): Promise<Network> {
  await removeLeftovers();
  const number = nextNumber("network");
  const bridge = `${runPrefix}-${number}`;
  const prefix = unusedPrefix(number);
  const namespaces: Namespace[] = [];
  let lastHost = 1;

  await ip(`link add ${bridge} type bridge`);
  await ip(`addr add ${prefix}.1/24 dev ${bridge}`);
  await ip(`link set ${bridge} up`);
  for (const off of ["ipv4/conf/*/forwarding:0", "ipv6/conf/*/disable_ipv6:1"]) setOnBridge(bridge, off);

  async function plug(namespace: string, device: string): Promise<string> {
    const host = ++lastHost; // read once: others may plug in while we wait
    const address = `${prefix}.${host}`;
    const outside = `${bridge}v${host}`;
    await ip(`link add ${outside} type veth peer name ${device} netns ${namespace}`);
    await ip(`link set ${outside} master ${bridge} up`);
    await ip(`-n ${namespace} addr add ${address}/24 dev ${device}`);
    await ip(`-n ${namespace} link set ${device} up`);
    return address;
  }

  return {
    bridge,
    hostAddress: `${prefix}.1`,
    subnet: `${prefix}.0/24`,
    async attach(label, options = {}) {
      const name = `${bridge}-${label}`;
      await ip(`netns add ${name}`);
      await ip(`-n ${name} link set lo up`);
      const address = await plug(name, "eth0");
      const namespace = new Namespace(name, address, await privateEtc(label, options));
      namespaces.push(namespace);
      return namespace;
    },
    async join(namespace) {
      const devices = await namespace.exec(["ls", "/sys/class/net"]);
      const number = devices.stdout.split("\n").filter((device) => device.startsWith("eth")).length;
      return plug(namespace.name, `eth${number}`);
    },
    async close() {
      for (const namespace of namespaces.splice(0)) await namespace.close();
      await execute(["ip", "link", "del", bridge]);
    },
  };
}

/** What clients, shells and logins read; all of /etc would take a second to copy. */
const copiedFiles = [
  ...["passwd", "group", "shadow", "gshadow", "shells", "login.defs", "pam.d", "pam.conf", "security", "environment"],
  ...["profile", "profile.d", "bash.bashrc", "nsswitch.conf", "host.conf", "gai.conf", "services", "protocols"],
  ...["os-release", "debian_version", "machine-id", "localtime", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl"],
];

/** A folder to use as /etc, with the hosts and resolvers of one namespace. */
async function privateEtc(label: string, { hosts = {}, nameservers = [] }: NamespaceOptions): Promise<string> {
  const dir = scratchDir(`etc-${label}`);
  const files = copiedFiles.map((name) => join("/etc", name)).filter((path) => existsSync(path));
  await mustExecute(["cp", "--archive", ...files, dir]);
  const lines = Object.entries({ localhost: "127.0.0.1", ...hosts }).map(([name, address]) => `${address} ${name}\n`);
  writeFileSync(join(dir, "hosts"), lines.join(""));
  writeFileSync(join(dir, "resolv.conf"), nameservers.map((address) => `nameserver ${address}\n`).join(""));
  return dir;
}

/** The first three octets of a subnet that no interface uses, spread by process so that parallel runs differ. */
function unusedPrefix(number: number): string {
  const used = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  for (let attempt = 0; attempt < 1 << 15; attempt++) {
    const index = (process.pid * 8 + number + attempt) % (1 << 15);
    const prefix = `10.${64 + (index >> 8)}.${index & 255}`;
    if (!used.some(({ address }) => address.startsWith(`${prefix}.`))) return prefix;
  }
  throw new Error("no subnet of 10.64.0.0/9 is free");
}

function setOnBridge(bridge: string, setting: string): void {
  const [path = "", value = ""] = setting.replace("*", bridge).split(":");
  const file = join("/proc/sys/net", path);
  if (existsSync(file)) writeFileSync(file, value);
}

async function removeLeftovers(): Promise<void> {
  const namespaces = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  for (const name of namespaces.filter(isLeftover)) await removeNamespace(name);
  for (const name of readdirSync("/sys/class/net").filter(isLeftover)) await execute(["ip", "link", "del", name]);
}

async function removeNamespace(name: string): Promise<void> {
  const { stdout } = await execute(["ip", "netns", "pids", name]);
  for (const pid of stdout.split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // ended by itself in the meantime
    }
  }
  await execute(["ip", "netns", "del", name]);
}

async function ip(args: string): Promise<void> {
  await mustExecute(["ip", ...args.split(" ")]);
}
