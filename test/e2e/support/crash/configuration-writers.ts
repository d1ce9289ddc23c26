// Writers of what administrators configure: settings, which lie in one row, and records, which lie in a table of JSON.
import type { Api } from "../api.ts";
import { CellWriter, type Writer } from "./writer.ts";

const SERVICE = "svc:crash";

/** Writers of DNS settings and of a Service. */
export function configurationWriters(api: Api): Writer[] {
  return [
    new CellWriter({
      name: "search path",
      value: (n) => `n${n}.example.com`,
      write: (path) => api.request("POST", "/tailnet/-/dns/searchpaths", { searchPaths: [path] }),
      read: ({ searchPaths }) => String(searchPaths),
    }),
    new CellWriter({
      name: "service",
      value: (n) => `comment ${n}`,
      write: (comment) => api.request("PUT", `/tailnet/-/vip-services/${SERVICE}`, { name: SERVICE, comment }),
      read: ({ services }) => services.get(SERVICE) ?? "",
    }),
  ];
}
