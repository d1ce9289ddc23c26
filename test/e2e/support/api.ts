// The REST API of our product as tests use it (api-v2 §2: /api/v2/tailnet/-/…, Bearer token). Fields keep the wire's
// spelling; only what scenarios look at is declared, everything else goes through `request`.

/** What an auth key may do. */
export interface AuthKeyOptions {
  readonly reusable?: boolean;
  readonly ephemeral?: boolean;
  readonly preauthorized?: boolean;
  readonly tags?: readonly string[];
  readonly expirySeconds?: number;
  readonly description?: string;
}

/** A device with `fields=all`. */
export interface Device {
  /** Decimal id; `nodeId` is the stable one. Both work in every path. */
  readonly id: string;
  readonly nodeId: string;
  /** MagicDNS name without the trailing dot. */
  readonly name: string;
  readonly hostname: string;
  readonly user: string;
  readonly addresses: readonly string[];
  readonly tags?: readonly string[];
  readonly authorized: boolean;
  readonly connectedToControl: boolean;
  readonly lastSeen?: string;
  readonly expires: string;
  readonly keyExpiryDisabled: boolean;
  readonly isEphemeral: boolean;
  readonly nodeKey: string;
  readonly machineKey: string;
  readonly advertisedRoutes: readonly string[];
  readonly enabledRoutes: readonly string[];
  readonly clientConnectivity?: { readonly endpoints: readonly string[] };
}

/** The routes of a device. */
export interface DeviceRoutes {
  readonly advertisedRoutes: readonly string[];
  readonly enabledRoutes: readonly string[];
}

/** A reply other than 2xx. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The API with one credential. */
export class Api {
  readonly #base: string;
  readonly #token: string;

  /** @param baseUrl with or without `/api/v2` */
  constructor(baseUrl: string, token: string) {
    this.#base = `${baseUrl.replace(/\/+$/, "").replace(/\/api\/v2$/, "")}/api/v2`;
    this.#token = token;
  }

  /**
   * Calls any path below /api/v2; a body that is not a string is sent as JSON.
   * @returns the decoded JSON, or the text of any other content type
   * @throws ApiError with the reply's `message`
   */
  async request<T = unknown>(method: string, path: string, body?: unknown, headers = {}): Promise<T> {
    const reply = await fetch(`${this.#base}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#token}`,
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await reply.text();
    if (!reply.ok) throw new ApiError(reply.status, `${method} ${path}: ${reply.status} ${messageOf(text)}`);
    const isJson =
      reply.headers.get("content-type")?.includes("json") && !reply.headers.get("content-type")?.includes("hu");
    return (isJson ? JSON.parse(text) : text) as T;
  }

  /** Creates an auth key: single-use, durable, preauthorized and untagged unless asked otherwise. */
  async createAuthKey(options: AuthKeyOptions = {}): Promise<{ id: string; key: string }> {
    const { reusable = false, ephemeral = false, preauthorized = true, tags = [] } = options;
    const { expirySeconds = 3600, description = "e2e" } = options;
    const capabilities = { devices: { create: { reusable, ephemeral, preauthorized, tags } } };
    return this.request("POST", "/tailnet/-/keys", { capabilities, expirySeconds, description });
  }

  async deleteKey(id: string): Promise<void> {
    await this.request("DELETE", `/tailnet/-/keys/${id}`);
  }

  async devices(): Promise<Device[]> {
    const { devices } = await this.request<{ devices: Device[] }>("GET", "/tailnet/-/devices?fields=all");
    return devices;
  }

  async device(id: string): Promise<Device> {
    return this.request("GET", `/device/${id}?fields=all`);
  }

  /** The device with that OS host name. @throws Error when there is none, or more than one */
  async deviceCalled(hostname: string): Promise<Device> {
    const [device, ...others] = (await this.devices()).filter((each) => each.hostname === hostname);
    if (!device || others.length > 0) throw new Error(`${device ? "several devices are" : "no device is"} ${hostname}`);
    return device;
  }

  async deleteDevice(id: string): Promise<void> {
    await this.request("DELETE", `/device/${id}`);
  }

  async expireDevice(id: string): Promise<void> {
    await this.request("POST", `/device/${id}/expire`);
  }

  async setAuthorized(id: string, authorized: boolean): Promise<void> {
    await this.request("POST", `/device/${id}/authorized`, { authorized });
  }

  async renameDevice(id: string, name: string): Promise<void> {
    await this.request("POST", `/device/${id}/name`, { name });
  }

  async setTags(id: string, tags: readonly string[]): Promise<void> {
    await this.request("POST", `/device/${id}/tags`, { tags });
  }

  async routes(id: string): Promise<DeviceRoutes> {
    return this.request("GET", `/device/${id}/routes`);
  }

  /** Makes exactly these routes the enabled ones. */
  async approveRoutes(id: string, routes: readonly string[]): Promise<DeviceRoutes> {
    return this.request("POST", `/device/${id}/routes`, { routes });
  }

  /** Replaces the policy: an object, or HuJSON text. */
  async setPolicy(policy: object | string): Promise<void> {
    await this.request("POST", "/tailnet/-/acl", policy);
  }

  /** The policy as it was written (HuJSON). */
  async policy(): Promise<string> {
    return this.request("GET", "/tailnet/-/acl", undefined, { Accept: "application/hujson" });
  }
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}
