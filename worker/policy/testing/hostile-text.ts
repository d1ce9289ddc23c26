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

/** A text that is often nearly a policy file. */
export function hostileText(next: (below: number) => number): string {
  let text = pick(VALID, next);
  for (let step = next(1 + next(5)); step >= 0; step--) text = MUTATIONS[next(MUTATIONS.length)]?.(text, next) ?? text;
  return text;
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
