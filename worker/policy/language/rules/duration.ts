// Durations as Go's time package writes and reads them (`1h30m`, `-1.5h`), because the messages of policy.md 24.2 quote
// them in that form. Nanoseconds in bigint, so that every digit survives.

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  "\u00b5s": 1_000n, // micro sign
  "\u03bcs": 1_000n, // Greek mu
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const MAX = (1n << 63n) - 1n;

/** Nanoseconds of a duration; the reason, worded as Go does, when the text is none. */
export function parseDuration(text: string): bigint | string {
  const invalid = `time: invalid duration ${JSON.stringify(text)}`;
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  const rest = text.slice(sign.length);
  if (rest === "0") return 0n;
  if (rest === "") return invalid;
  let total = 0n;
  const term = /([0-9]*)(\.[0-9]*)?([^0-9.]*)/y;
  while (term.lastIndex < rest.length) {
    const [whole, integer = "", fraction = "", unit = ""] = term.exec(rest) ?? [];
    if (!whole || integer + fraction.slice(1) === "") return invalid;
    if (unit === "") return `time: missing unit in duration ${JSON.stringify(text)}`;
    const size = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
    if (size === undefined) return `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`;
    const digits = fraction.slice(1, 19);
    total += BigInt(integer || "0") * size + (BigInt(digits || "0") * size) / 10n ** BigInt(digits.length);
    if (total > MAX) return invalid;
  }
  return sign === "-" ? -total : total;
}

/** A duration as Go prints it: `168h0m1s`, `1m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(nanoseconds: bigint): string {
  const sign = nanoseconds < 0n ? "-" : "";
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  if (size === 0n) return "0s";
  for (const unit of ["ns", "\u00b5s", "ms"]) {
    const scale = UNITS[unit] as bigint;
    if (size < scale * 1000n) return sign + decimal(size, scale) + unit;
  }
  const hours = size / 3_600_000_000_000n;
  const minutes = (size / 60_000_000_000n) % 60n;
  const seconds = `${decimal(size % 60_000_000_000n, 1_000_000_000n)}s`;
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${sign}${minutes}m${seconds}` : sign + seconds;
}

function decimal(value: bigint, scale: bigint): string {
  const fraction = (value % scale)
    .toString()
    .padStart(scale.toString().length - 1, "0")
    .replace(/0+$/, "");
  return fraction === "" || scale === 1n ? `${value / scale}` : `${value / scale}.${fraction}`;
}
