// Which part of the program may use which other (style.md 3.2): routes → objects → { store, mapper } → tailnet →
// policy → protocol, and agent → protocol. A folder without an entry here has no place yet, and the check says so.
import type { SourceFile } from "./source-files.ts";

interface Layer {
  /** Layers that it may import. */
  readonly uses: readonly string[];
  /** Layers of which it may only import types. */
  readonly usesTypesOf?: readonly string[];
  /** Packages and built-in modules that it may import. */
  readonly packages: RegExp;
}

const CORE = ["worker/mapper", "worker/tailnet", "worker/policy", "worker/protocol"] as const;
const NOBLE = /^@noble\//;
const ANY = /./;

/** The layers, by path prefix; of several that fit a file, the longest counts. */
const LAYERS: Readonly<Record<string, Layer>> = {
  // Pure: bytes, values and decisions. They run anywhere.
  "worker/protocol": { uses: [], packages: /^@(noble|stablelib)\// },
  "worker/policy": { uses: ["worker/protocol"], packages: /^(@noble\/|jsonc-parser$)/ },
  "worker/tailnet": { uses: ["worker/policy", "worker/protocol"], packages: NOBLE },
  "worker/mapper": { uses: ["worker/tailnet", "worker/policy", "worker/protocol"], packages: NOBLE },

  // Storage and what else is particular to the platform.
  "worker/platform": { uses: ["worker/protocol"], packages: /^(node:|@noble\/|@stablelib\/)/ },
  migrations: { uses: [], packages: /^$/ },
  db: {
    uses: ["migrations", "worker/tailnet", "worker/policy", "worker/protocol"],
    packages: /^drizzle-orm(\/|$)/,
  },

  // The Durable Objects: connections, the tailnet while it is awake, the endpoints inside Noise, and the shells.
  "worker/connection": { uses: ["db", "worker/tailnet", "worker/protocol"], packages: /^drizzle-orm(\/|$)/ },
  "worker/runtime": { uses: ["worker/connection", "worker/platform", "db", ...CORE], packages: /^$/ },
  "worker/control": { uses: ["worker/runtime", "worker/connection", ...CORE], packages: /^$/ },
  "worker/objects": {
    uses: ["worker/control", "worker/runtime", "worker/connection", "worker/platform", "worker/env.ts", "db", ...CORE],
    packages: /^(cloudflare:workers$|@noble\/)/,
  },

  // The Worker in front of the objects, which it knows by their types alone.
  "worker/env.ts": { uses: CORE, packages: /^$/ },
  "worker/middleware": {
    uses: ["worker/env.ts", "worker/platform", ...CORE],
    usesTypesOf: ["worker/objects"],
    packages: /^(hono|@hono|zod|jose)(\/|$)/,
  },
  "worker/routes": {
    uses: ["worker/middleware", "worker/env.ts", "worker/platform", ...CORE],
    usesTypesOf: ["worker/objects"],
    packages: /^(hono|@hono|zod|jose|jsonc-parser|@noble)(\/|$)/,
  },
  "worker/index.ts": { uses: ["worker/routes", "worker/middleware", "worker/objects", "worker/env.ts"], packages: ANY },

  // The agent: one program, whose roles know nothing of each other; but a gateway can carry a STUN server along.
  "agent/main.ts": {
    uses: [
      "agent",
      "agent/gateway",
      "agent/stun",
      "agent/controller",
      "agent/doctor",
      "agent/derp-check",
      "agent/transfer",
      "agent/admin",
    ],
    packages: ANY,
  },
  agent: { uses: ["worker/protocol"], packages: ANY },
  "agent/gateway": { uses: ["agent", "agent/stun", "worker/protocol"], packages: ANY },
  "agent/stun": { uses: ["agent", "worker/protocol"], packages: ANY },
  "agent/controller": { uses: ["agent", "worker/protocol"], packages: ANY },
  "agent/derp-check": { uses: ["agent", "worker/protocol"], packages: ANY },
  "agent/admin": { uses: ["agent", "worker/protocol"], packages: ANY },
  "agent/transfer": { uses: ["agent", "worker/protocol"], packages: ANY },
  "agent/doctor": { uses: ["agent", "worker/protocol"], packages: ANY },

  // What builds, starts and tests the program runs it as others do; of its code it may use what is pure.
  scripts: { uses: CORE, packages: ANY },
};

/** The layer that a file belongs to; null for files that are no part of the program. */
export function layerOf(file: string): string | null {
  const fits = Object.keys(LAYERS).filter((prefix) => file === prefix || file.startsWith(`${prefix}/`));
  return fits.sort((a, b) => b.length - a.length)[0] ?? null;
}

/** What a file of the program imports although its layer may not. */
export function layerViolations(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  if (layer === null) {
    return /^(worker|db|agent)\//.test(file.path) ? [`${file.path} is in no layer`] : [];
  }
  return file.imports.flatMap(({ specifier, target, isType }) => {
    const allowed = target === null ? LAYERS[layer]?.packages.test(specifier) : mayUse(layer, layerOf(target), isType);
    return allowed ? [] : [`${file.path} imports ${specifier}`];
  });
}

function mayUse(layer: string, target: string | null, isType: boolean): boolean {
  if (target === null) return false;
  const uses = LAYERS[layer]?.uses ?? [];
  const usesTypesOf = LAYERS[layer]?.usesTypesOf ?? [];
  return target === layer || uses.includes(target) || (isType && usesTypesOf.includes(target));
}

/** Cycles among the imports, each as the chain of files that leads back to its first; type imports count too. */
export function importCycles(files: readonly SourceFile[]): string[] {
  const graph = new Map(files.map((file) => [file.path, file.imports.flatMap(({ target }) => target ?? [])]));
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, chain: readonly string[]): void => {
    const start = chain.indexOf(file);
    if (start >= 0) {
      cycles.push([...chain.slice(start), file].join(" → "));
      return;
    }
    if (finished.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...chain, file]);
    finished.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return cycles;
}
