// Log lines of the agent: one line per event to stderr, JSON for machines or text for people. Callers pass fixed
// messages and plain fields; keys, tokens, bodies and query strings are never fields.

/** Details of one event; undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes events. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

type Level = keyof Log;

/** Builds a log that hands finished lines, newline included, to `write`. */
export function createLog(format: "json" | "text", write: (line: string) => void, now = () => new Date()): Log {
  const line = format === "json" ? jsonLine : textLine;
  const at =
    (level: Level) =>
    (message: string, fields: LogFields = {}) =>
      write(line(now(), level, message, fields));
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

function jsonLine(time: Date, level: Level, message: string, fields: LogFields): string {
  return `${JSON.stringify({ time: time.toISOString(), level, message, ...fields })}\n`;
}

function textLine(time: Date, level: Level, message: string, fields: LogFields): string {
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? quoted(value) : value}`);
  return `${time.toISOString()} ${level} ${message}${details.join("")}\n`;
}

/** Quotes whatever could be taken for a separator or a second line. */
function quoted(text: string): string {
  return /^[\w.:/[\]-]+$/.test(text) ? text : JSON.stringify(text);
}

/**
 * A log for events that peers cause: of each message at most `burst` lines pass per `windowMs`; the first line of the
 * next window says how many were left out, so that ten thousand clients that lose one Worker do not fill the disk.
 */
export function throttledLog(log: Log, burst = 20, windowMs = 10_000, now = Date.now): Log {
  const windows = new Map<string, { since: number; passed: number; omitted: number }>();
  const at =
    (level: Level) =>
    (message: string, fields: LogFields = {}) => {
      const key = `${level} ${message}`;
      let window = windows.get(key);
      const omitted = window?.omitted ?? 0;
      if (window === undefined || now() - window.since >= windowMs) {
        window = { since: now(), passed: 0, omitted: 0 };
        windows.set(key, window);
      }
      if (window.passed >= burst) {
        window.omitted += 1;
        return;
      }
      window.passed += 1;
      log[level](message, window.passed === 1 && omitted > 0 ? { ...fields, omitted } : fields);
    };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}
