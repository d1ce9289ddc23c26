// An S3 server with one bucket (versitygw on a folder). It verifies signatures and knows one access key.
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { freePort, Receiver } from "./receiver.ts";

const REGION = "eu-central-1";
const BUCKET = "audit-logs";
const META = "meta";
const BUCKETS = "buckets";

/** An S3 server. */
export class S3Server extends Receiver {
  readonly #secret = "s3/secret+with=odd characters";

  /** Makes one, with an empty bucket. */
  static async make(): Promise<S3Server> {
    const server = new S3Server("s3Server", await freePort());
    for (const name of [META, join(BUCKETS, BUCKET)]) mkdirSync(join(server.folder, name), { recursive: true });
    return server;
  }

  /** Settings of a stream to it. */
  stream(more: object = {}): object {
    return {
      destinationType: "s3",
      url: this.url,
      s3Bucket: BUCKET,
      s3Region: REGION,
      s3KeyPrefix: "tail net/(a+b)~!*'$&,;=:@/",
      s3AuthenticationType: "accesskey",
      s3AccessKeyId: "AKIDEXAMPLE",
      s3SecretAccessKey: this.#secret,
      ...more,
    };
  }

  /** Entries of every object, objects in the order of their keys' numbers. */
  entries<Entry>(): Entry[] {
    return this.#objects().flatMap((name) =>
      this.#read(name)
        .toString()
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Entry),
    );
  }

  protected args(): readonly string[] {
    const keys = ["--access", "AKIDEXAMPLE", "--secret", this.#secret, "--region", REGION];
    const folders = ["--sidecar", join(this.folder, META), join(this.folder, BUCKETS)];
    return [...keys, "--health", "/health", "--port", this.address, "--quiet", "posix", ...folders];
  }

  get #bucket(): string {
    return join(this.folder, BUCKETS, BUCKET);
  }

  #objects(): string[] {
    const numberOf = (name: string) => Number(/-(\d+)\.json/.exec(name)?.[1]);
    const names = readdirSync(this.#bucket, { recursive: true, encoding: "utf8" });
    return names.filter((name) => name.includes(".json")).sort((a, b) => numberOf(a) - numberOf(b));
  }

  #read(name: string): Buffer {
    const content = readFileSync(join(this.#bucket, name));
    if (name.endsWith(".gz")) return gunzipSync(content);
    return name.endsWith(".zst") ? zstdDecompressSync(content) : content;
  }
}
