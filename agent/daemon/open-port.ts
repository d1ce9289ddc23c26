// Opening ports, with errors that say what to do.
import type { AddressInfo, ListenOptions, Server } from "node:net";

/** Opens a TCP port and returns its number. @throws Error that says what to do about it */
export function listen(server: Server, options: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(explainListenError(error, options)));
    server.listen(options, () => {
      server.removeAllListeners("error");
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** The error of a port that cannot be opened, in words for whoever started the program. */
export function explainListenError(
  error: NodeJS.ErrnoException,
  { host, port }: { readonly host?: string | undefined; readonly port?: number | string | undefined },
): Error {
  const where = host === undefined ? `port ${port}` : `${host} port ${port}`;
  const advice: Record<string, string> = {
    EACCES: "ports below 1024 need a privilege: run as root, give CAP_NET_BIND_SERVICE, or choose another port",
    EADDRINUSE: "another program has it: stop that, or choose another port",
    EADDRNOTAVAIL: "this machine does not have that address",
  };
  const reason = advice[error.code ?? ""] ?? error.message;
  return new Error(`cannot listen on ${where}: ${reason}`, { cause: error });
}
