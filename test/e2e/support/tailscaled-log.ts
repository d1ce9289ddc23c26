// Finds the lines of a tailscaled log that a scenario must explain: everything that looks like an error, less a list of
// what is known to be harmless, each with its reason. tailscaled's log has no levels, hence the list of words.
//
// The list was made by running 1.102.3 and 1.80.3 against upstream's own control server; an entry belongs here only
// when no control server can be its cause.

const looksLikeError = [
  /\b(errors?|fail(s|ed|ure|ing)?|panic|fatal|cannot|can't|unable|refused|rejected|denied)\b/i,
  /\b(invalid|unexpected|unknown|bad|malformed|mismatch|timeout|timed out|out of sync|not found|no such)\b/i,
];

interface Harmless {
  readonly line: RegExp;
  readonly because: string;
}

const harmless: readonly Harmless[] = [
  { line: /dns: \[.*rc=unknown/, because: "no resolvconf on the machine: resolv.conf is written directly" },
  { line: /exec: "ip6?tables": executable file not found/, because: "no iptables on the machine: nftables is used" },
  { line: /router: iptables not found/, because: "the first line of the same message" },
  { line: /enumerating tailscale0 addresses for cleanup failed/, because: "nothing to clean up on a first start" },
  { line: /dnsfallback: SetCachePath error .*no such file/, because: "a fresh state folder holds no cached DERP map" },
  { line: /logpolicy.ConfigFromFile .*no such file/, because: "a fresh state folder holds no log policy" },
  { line: /profile data directory: profile not found/, because: "logged before the first login" },
  { line: /health\(warnable=(wantrunning-false|warming-up)\)/, because: "every start passes through these states" },
  { line: /health\(warnable=dns.*getting OS base config is not supported/, because: "1.80 without a TUN device" },
  { line: /peerapi: failed to do peerAPI listen, harmless/, because: "the address is not on tailscale0 yet" },
  { line: /magicsock: last netcheck reported send error/, because: "the first netcheck precedes the first socket" },
  {
    line: /monitor: \[unexpected\] (network state changed|old: |new: )/,
    because: "1.80 sees its own tailscale0 appear",
  },
  { line: /PollNetMap: .*use of closed network connection/, because: "the client closed its own stream to restart it" },
  { line: /lite map update error .*use of closed network connection/, because: "and its own connection, likewise" },
  { line: /the test page fetches nothing from log\./, because: "wasm/host.ts keeps the log upload on this machine" },
];

/** Lines of `log` that look like errors and are neither harmless in general nor matched by one of `alsoExpected`. */
export function unexpectedErrors(log: string, alsoExpected: readonly RegExp[] = []): string[] {
  const expected = [...harmless.map(({ line }) => line), ...alsoExpected];
  const suspects = log.split("\n").filter((line) => looksLikeError.some((words) => words.test(line)));
  return suspects.filter((line) => !expected.some((pattern) => pattern.test(line)));
}
