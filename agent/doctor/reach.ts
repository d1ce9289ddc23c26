// Can this machine reach the login server at all: its name and the ports that clients dial.
import { lookup } from "node:dns/promises";
import net, { isIP } from "node:net";
import { CHECK_TIMEOUT_MS, type Finding, failureText, ok, problem, skipped } from "../finding.ts";
import type { DialTarget, LoginServer } from "./login-server.ts";

/** Asks for the addresses of a name. */
export type Resolve = (host: string) => Promise<readonly { readonly address: string }[]>;

/** Asks the resolver of this machine, which clients on it use too. */
const systemResolve: Resolve = (host) => lookup(host, { all: true });

/** Resolves the name. */
export async function checkName({ host }: LoginServer, resolve = systemResolve): Promise<Finding> {
  if (isIP(host) !== 0) return skipped("name", `${host} is an address and needs no DNS`);
  try {
    const addresses = await resolve(host);
    return ok("name", `${host} has the addresses ${addresses.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    return problem(
      "name",
      `${host} does not resolve: ${failureText(error)}`,
      "Create its DNS record, or correct the resolver of this machine.",
    );
  }
}

/** Opens a TCP connection to a port on which clients dial. */
export async function checkPort({ host, isPlainOptional }: LoginServer, target: DialTarget): Promise<Finding> {
  const check = `port ${target.port}`;
  try {
    await connect(host, target.port);
    return ok(check, `port ${target.port} accepts connections`);
  } catch (error) {
    const failure = failureText(error);
    if (target.scheme === "http" && isPlainOptional) {
      return ok(check, `${failure}; clients then use TLS, which is enough`);
    }
    return problem(check, `port ${target.port}: ${failure}`, advice(target, isPlainOptional));
  }
}

function advice(target: DialTarget, isHttpsServer: boolean): string {
  if (target.scheme === "http" || isHttpsServer) {
    return `Start the gateway with this port, and open ${target.port}/tcp in the firewalls on the way.`;
  }
  return (
    "Open it too: a client that dials again within two minutes uses TLS on port 443 only, whatever the login server " +
    "says, and then never connects until it is restarted. A self-signed certificate is enough."
  );
}

function connect(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}
