// Policy files as somebody might send them who wants the parser or the engine to fall over: valid files that were cut,
// repeated, swapped and salted with what has special meaning somewhere, from a seed.

/** A source of numbers below a bound, the same for the same seed (xorshift32). */
export function seededNumbers(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const VALID = [
  `{"groups":{"group:g":["ann@example.com"]},"tagOwners":{"tag:a":["group:g"],"tag:b":["tag:a"]},"hosts":{"srv":"100.64.0.9"},
"grants":[{"src":["group:g","100.64.0.0/29"],"dst":["tag:a","10.1.0.0/16"],"ip":["tcp:22,80-90","*"],"app":{"a.com/b":[{"c":[1]}]}},
{"src":["autogroup:member"],"dst":["autogroup:self"],"ip":["*"]},{"src":["*"],"dst":["10.1.0.0/16"],"via":["tag:b"],"ip":["*"]}],}`,
  `{"acls":[{"action":"accept","src":["*"],"dst":["*:*","[fd7a::]/48:22","autogroup:internet:443"],"proto":"tcp"}], // a
"ssh":[{"action":"check","src":["autogroup:member"],"dst":["autogroup:self","tag:a"],"users":["root","localpart:*@example.com"],
"checkPeriod":"1h30m","acceptEnv":["LC_*"]}],"tagOwners":{"tag:a":[]}}`,
  `{"ipsets":{"ipset:a":["add 0.0.0.0/0","remove 10.0.0.0/8","add ipset:b"],"ipset:b":["autogroup:internet","::/0"]},
"postures":{"posture:p":["node:os IN ['linux','macos']","node:tsVersion >= '1.80'","custom:x IS SET"]},"defaultSrcPosture":["posture:p"],
"nodeAttrs":[{"target":["*"],"attr":["funnel"],"app":{"x":[{}]},"ipPool":["100.81.0.0/16"]}],"derpMap":{"regions":{"900":{"regionID":900,"nodes":[]},"1":null}},
"autoApprovers":{"routes":{"10.0.0.0/8":["autogroup:admin"]},"exitNode":["ann@example.com"]},"OneCGNATRoute":"mac-always",
"grants":[{"src":["ipset:a"],"dst":["*"],"ip":["*"]}],
"tests":[{"src":"ann@example.com","accept":["100.64.0.2:22"],"deny":["tag:a:1"],"proto":"tcp","srcPostureAttrs":{"node:os":"linux"}}],
"sshTests":[{"src":"ann@example.com","dst":["100.64.0.2"],"accept":["root"],"check":[],"deny":["x"]}]}`,
];

const SALT = [
  ...'{}[]",:/\\*@#-.\u0000\u00e9\u0435\ufeff\u202e\ud800\n'.split(""),
  "__proto__",
  "constructor",
  "toString",
  "tag:\u0430",
  "group:\u0261",
  "\u01c0\uff0a",
  "100.64.0.1/33",
  "1e309",
  "-0",
  "99999999999999999999",
  "::ffff:1.2.3.4",
  "fe80::1%eth0",
  "/*",
  "*/",
  "//",
  "\\u0000",
  "null",
  "true",
  "[[[[[[[[[[",
  '{"a":',
  "add ipset:a",
  "autogroup:danger-all",
  "1h1h1h",
  "IN ['",
  "\r",
];

type Mutation = (text: string, next: (below: number) => number) => string;

/** A text that is often nearly a policy file: one of `files`, mutilated. */
export function hostileText(next: (below: number) => number, files: readonly string[] = VALID): string {
  let text = pick(files, next);
  for (let step = next(1 + next(5)); step >= 0; step--) text = MUTATIONS[next(MUTATIONS.length)]?.(text, next) ?? text;
  return text;
}

/** Code units that mean something to a scanner, and some of all others. */
const UNITS = [...'{}[]":,/*\\ \n\t.-+eE0123456789truefalsn'.split("")];

/** Units in no order: a text for the scanner. */
export function hostileUnits(next: (below: number) => number): string {
  const units = Array.from({ length: next(120) }, () => {
    return next(8) === 0 ? String.fromCharCode(next(0x10000)) : pick(UNITS, next);
  });
  return units.join("");
}

/** Keys of a policy file and of what stands in it. */
const KEYS = [
  ...["groups", "hosts", "ipsets", "tagOwners", "postures", "defaultSrcPosture", "attrConfig", "acls", "grants", "ssh"],
  ...[
    "nodeAttrs",
    "autoApprovers",
    "tests",
    "sshTests",
    "derpMap",
    "OneCGNATRoute",
    "disableIPv4",
    "randomizeClientPort",
  ],
  ...["action", "src", "dst", "users", "ports", "proto", "ip", "app", "via", "srcPosture", "target", "attr", "ipPool"],
  ...["accept", "deny", "check", "checkPeriod", "acceptEnv", "recorder", "enforceRecorder", "routes", "exitNode"],
  ...["services", "regions", "nodes", "omitDefaultRegions", "type", "allowSetByNode", "srcPostureAttrs"],
  ...[
    "group:g",
    "tag:a",
    "tag:b",
    "ipset:a",
    "posture:p",
    "srv",
    "svc:web",
    "10.0.0.0/8",
    "900",
    "a.com/b",
    "__proto__",
  ],
];

const WORDS = [
  ...["*", "ann@example.com", "group:g", "tag:a", "tag:b", "srv", "ipset:a", "autogroup:self", "autogroup:internet"],
  ...["autogroup:member", "autogroup:members", "autogroup:nonroot", "autogroup:admin", "autogroup:tagged", "svc:web"],
  ...[
    "user:*@example.com",
    "localpart:*@example.com",
    "100.64.0.1",
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/8",
    "fd7a::1-fd7a::9",
  ],
  ...[
    "*:*",
    "tag:a:22",
    "[fd7a::1]:1-65535",
    "tcp:22",
    "icmp:*",
    "0-65535",
    "accept",
    "check",
    "root",
    "always",
    "168h0m1s",
  ],
  ...[
    "add 0.0.0.0/0",
    "remove ::/0",
    "host:srv",
    "posture:p",
    "node:os == 'linux'",
    "custom:x IN ['a', 'b']",
    "mac-always",
    "",
  ],
];

/** A file with the shape of a policy whose every value may be of another type than is wanted there. */
export function hostileStructure(next: (below: number) => number): string {
  const value = (depth: number): unknown => {
    const kind = next(depth > 4 ? 5 : 10);
    if (kind < 3) return pick(WORDS, next);
    if (kind === 3) return pick([null, true, false, 0, -1, 1e308, 900, 65_536], next);
    if (kind === 4) return "";
    if (kind < 7) return Array.from({ length: next(4) }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: next(4) }, () => [pick(KEYS, next), value(depth + 1)]));
  };
  const sections = Array.from({ length: 1 + next(6) }, () => [KEYS[next(18)] as string, value(0)] as const);
  return JSON.stringify(Object.fromEntries(sections), null, next(3));
}

const changeDigit: Mutation = (text, next) => {
  const digits = [...text.matchAll(/[0-9]/g)];
  return spliced(text, digits[next(digits.length || 1)]?.index ?? 0, 1, String(next(10)));
};

const MUTATIONS: readonly Mutation[] = [
  changeDigit,
  (text, next) => spliced(text, next(text.length + 1), 0, pick(SALT, next)),
  (text, next) => spliced(text, next(text.length + 1), 1 + next(4), pick(SALT, next)),
  (text, next) => spliced(text, next(text.length + 1), next(30), ""),
  (text, next) => text.slice(0, next(text.length + 1)),
  (text, next) => replacedString(text, next, pick(SALT, next)),
  (text, next) => replacedString(text, next, stringsOf(text)[next(stringsOf(text).length || 1)] ?? ""),
  (text, next) => {
    const from = next(text.length + 1);
    return spliced(text, next(text.length + 1), 0, text.slice(from, from + next(60)));
  },
];

function pick<T>(values: readonly T[], next: (below: number) => number): T {
  return values[next(values.length)] as T;
}

function spliced(text: string, at: number, removed: number, added: string): string {
  return text.slice(0, at) + added + text.slice(at + removed);
}

function stringsOf(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"/g)].map(([, inner]) => inner as string);
}

function replacedString(text: string, next: (below: number) => number, by: string): string {
  const found = [...text.matchAll(/"[^"]*"/g)];
  const one = found[next(found.length || 1)];
  return one === undefined ? text : spliced(text, one.index, one[0].length, `"${by}"`);
}
