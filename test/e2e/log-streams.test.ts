// Log streams and webhooks to receivers in a private network, which the operator has named: an S3 server and a log store
// that no one here wrote, and a receiver of events that checks signatures as their documentation says.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { receiverBinaries } from "../clients/build.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { EventReceiver } from "./support/receivers/event-receiver.ts";
import { LogStore, PASSWORD, USER } from "./support/receivers/log-store.ts";
import { S3Server } from "./support/receivers/s3-server.ts";
import { until } from "./support/until.ts";

const STREAM = "/tailnet/-/logging/configuration/stream";
/** A failed attempt is followed by a pause of ten seconds, then twenty. */
const AFTER_PAUSES = { timeoutMs: 120_000 };

interface Status {
  readonly lastError: string;
  readonly numFailedRequests: number;
}
interface Entry {
  readonly new?: { readonly security?: { readonly email?: string } };
}

let flarescale: Flarescale;
let s3: S3Server;
let store: LogStore;
let openStore: LogStore;
let events: EventReceiver;
let elsewhere: EventReceiver;

beforeAll(async () => {
  await receiverBinaries();
  s3 = await S3Server.make();
  store = await LogStore.make("asks");
  openStore = await LogStore.make("is open");
  events = await EventReceiver.start();
  elsewhere = await EventReceiver.start();
  await Promise.all([s3.start(), store.start(), openStore.start()]);
  const named = [s3, store, openStore, events].map(({ address }) => address);
  flarescale = await startFlarescale({ args: [`--private-receivers=${named.join(",")}`] });
});

afterAll(async () => {
  await flarescale?.stop();
  await Promise.all([s3?.stop(), store?.stop(), openStore?.stop(), events?.stop(), elsewhere?.stop()]);
});

const setStream = async (settings: object) => await flarescale.api.request("PUT", STREAM, settings);
const status = async () => await flarescale.api.request<Status>("GET", `${STREAM}/status`);
const hasFailed = async (error: RegExp) => error.test((await status()).lastError);

/** Makes an entry of the log for each name, in order. */
async function happen(...names: string[]): Promise<void> {
  for (const name of names) {
    await flarescale.api.request("PATCH", "/tailnet/-/contacts/security", { email: `${name}@example.com` });
  }
}

describe("a stream to an S3 server", () => {
  const arrived = (prefix: string) =>
    s3
      .entries<Entry>()
      .flatMap((entry) => entry.new?.security?.email?.split("@")[0] ?? [])
      .filter((name) => name.startsWith(prefix));

  it.each(["none", "gzip", "zstd"])(
    "brings every entry once and in order, also past an outage (%s)",
    async (format) => {
      const names = ["first", "second", "third", "fourth"].map((name) => `${format}-${name}`);
      await setStream(s3.stream({ compressionFormat: format }));
      await happen(...names.slice(0, 2));
      await until("entries are there", () => arrived(format).length === 2);
      await s3.stop();
      await happen(names[2] as string);
      await until("an attempt has failed", () => hasFailed(/^the endpoint can not be reached/));
      await happen(names[3] as string);
      await s3.start();
      await until("all are there", () => arrived(format).length >= 4, AFTER_PAUSES);
      expect(arrived(format)).toEqual(names);
      await until("the stream knows", async () => (await status()).lastError === "");
    },
  );

  it("with a wrong secret is refused, says so, and loses nothing", async () => {
    await setStream(s3.stream({ s3SecretAccessKey: "wrong" }));
    await happen("wrong-secret");
    await until("the server refuses", () => hasFailed(/^the endpoint answered 403$/));
    expect(arrived("wrong")).toEqual([]);
    await setStream(s3.stream());
    await until("the entry is there", () => arrived("wrong").length > 0);
    expect(arrived("wrong")).toEqual(["wrong-secret"]);
  });
});

describe("a stream to a log store", () => {
  const arrived = async (prefix: string) =>
    [...(await store.entries()), ...(await openStore.entries())]
      .flatMap((entry) => Object.entries(entry).filter(([name]) => name.endsWith("new.security.email")))
      .flatMap(([, email]) => email.split("@")[0] ?? [])
      .filter((name) => name.startsWith(prefix));
  const basic = `Basic ${btoa(`${USER}:${PASSWORD}`)}`;
  const elastic = () => ({
    destinationType: "elastic",
    url: `${store.url}/insert/elasticsearch?_time_field=@timestamp`,
    user: USER,
    token: PASSWORD,
  });
  /** Lines with the token as it is: the one form besides that can show a user and a password. */
  const lines = () => ({
    destinationType: "cribl",
    url: `${store.url}/insert/jsonline?_time_field=eventTime&_msg_field=action`,
    token: basic,
  });
  /** The HTTP Event Collector, whose token this store does not look at. */
  const collector = () => ({
    destinationType: "splunk",
    url: `${openStore.url}/insert/splunk/services/collector/event`,
    token: "any",
  });

  it.each([
    ["collector-none", collector],
    ["collector-gzip", collector],
    ["collector-zstd", collector],
    ["bulk-none", elastic],
    ["bulk-gzip", elastic],
    ["bulk-zstd", elastic],
    ["lines-gzip", lines],
    ["lines-zstd", lines],
  ])("brings every entry once and in order (%s)", async (prefix, settings) => {
    const names = ["first", "second", "third"].map((name) => `${prefix}-${name}`);
    await setStream({ ...settings(), compressionFormat: prefix.split("-")[1] });
    await happen(...names);
    await until("entries are there", async () => (await arrived(prefix)).length >= 3);
    expect(await arrived(prefix)).toEqual(names);
  });

  it("goes on after an outage", async () => {
    await setStream({ ...elastic(), compressionFormat: "gzip" });
    await happen("outage-first");
    await until("the entry is there", async () => (await arrived("outage")).length === 1);
    await store.stop();
    await happen("outage-second");
    await until("an attempt has failed", () => hasFailed(/^the endpoint can not be reached/));
    await happen("outage-third");
    await store.start();
    await until("all are there", async () => (await arrived("outage")).length >= 3, AFTER_PAUSES);
    expect(await arrived("outage")).toEqual(["outage-first", "outage-second", "outage-third"]);
  });

  it("with a wrong token is refused, says so, and loses nothing", async () => {
    await setStream({ ...elastic(), token: "wrong" });
    await happen("token");
    await until("the store refuses", () => hasFailed(/^the endpoint answered 401$/));
    await setStream(elastic());
    await until("the entry is there", async () => (await arrived("token")).length > 0);
    expect(await arrived("token")).toEqual(["token"]);
  });
});

describe("a webhook", () => {
  /** An endpoint at the receiver, which knows its secret, that gets test events only. */
  async function endpoint(path: string): Promise<string> {
    const made = await flarescale.api.request<{ endpointId: string; secret: string }>("POST", "/tailnet/-/webhooks", {
      endpointUrl: `http://${events.address}${path}`,
      subscriptions: [],
    });
    events.secrets.set(path, made.secret);
    return `/webhooks/${made.endpointId}`;
  }

  it("brings a signed event after its receiver was down", async () => {
    const path = await endpoint("/down");
    await events.become("is down");
    const before = events.calls;
    await flarescale.api.request("POST", `${path}/test`);
    await until("an attempt has failed", () => events.calls > before);
    await events.become("receives");
    await until("the event is there", () => events.events.length > 0, AFTER_PAUSES);
    expect([events.events.map(({ type }) => type), events.refused]).toEqual([["test"], []]);
    await flarescale.api.request("DELETE", path);
  });

  it("follows no redirect, be it to a host that is not named", async () => {
    const path = await endpoint("/redirect");
    await events.become({ redirectsTo: `http://${elsewhere.address}/` });
    const before = events.calls;
    await flarescale.api.request("POST", `${path}/test`);
    await until("the second attempt", () => events.calls >= before + 2, AFTER_PAUSES);
    expect(elsewhere.calls).toBe(0);
    await events.become("receives");
    await flarescale.api.request("DELETE", path);
  });
});

describe("what the operator has not named", () => {
  it("is refused by the API", async () => {
    const settings = (url: string) => ({ destinationType: "splunk", url });
    for (const url of [
      `http://${elsewhere.address}/`,
      `http://localhost:${store.port}/`,
      `https://127.0.0.1/`,
      `http://[::ffff:127.0.0.1]:${store.port}/`,
    ]) {
      await expect(setStream(settings(url))).rejects.toThrow(/400 url: must lead to a public name/);
    }
  });

  it("is out of reach when it was named before", async () => {
    await setStream(s3.stream());
    const { child, stateDir } = flarescale;
    await flarescale.stop();
    expect(child.isRunning).toBe(false);
    flarescale = await startFlarescale({ stateDir });
    await happen("unnamed");
    await until("the attempt has failed", () => hasFailed(/^the endpoint must lead to a public name/));
    expect(s3.entries<Entry>().some((entry) => entry.new?.security?.email === "unnamed@example.com")).toBe(false);
  });
});
