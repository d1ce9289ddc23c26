// A log store that speaks the protocols of several others (VictoriaLogs): the HTTP Event Collector of Splunk, the bulk
// interface of Elasticsearch, lines and lists. It may want a user and a password.
import { freePort, Receiver } from "./receiver.ts";

/** User of a store that wants one. */
export const USER = "writer";
/** Password of that user. */
export const PASSWORD = "log-store-password";

/** A log store. */
export class LogStore extends Receiver {
  #asks = true;

  /** Makes one that asks for the user, or is open to everybody. */
  static async make(admission: "asks" | "is open"): Promise<LogStore> {
    const store = new LogStore("logStore", await freePort());
    store.#asks = admission === "asks";
    return store;
  }

  /** Every entry, oldest first by the time that the sender gave, its fields flattened to `a.b.c`. */
  async entries(): Promise<Readonly<Record<string, string>>[]> {
    const headers = { authorization: `Basic ${btoa(`${USER}:${PASSWORD}`)}` };
    const query = new URLSearchParams({ query: "* | sort by (_time)" });
    const reply = await fetch(`${this.url}/select/logsql/query?${query}`, { headers });
    const lines = (await reply.text()).split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Record<string, string>);
  }

  protected args(): readonly string[] {
    const auth = this.#asks ? [`-httpAuth.username=${USER}`, `-httpAuth.password=${PASSWORD}`] : [];
    return [`-storageDataPath=${this.folder}/data`, `-httpListenAddr=${this.address}`, ...auth];
  }
}
