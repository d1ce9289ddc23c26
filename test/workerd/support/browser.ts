// A browser for tests of the login pages.
import { exports } from "cloudflare:workers";
import { ORIGIN, type Person } from "./api.ts";

/** A browser: it keeps one host's cookies and follows nothing. */
export class Browser {
  cookie = "";
  readonly origin: string;
  readonly #headers: Record<string, string>;

  constructor(origin = ORIGIN, headers: Record<string, string> = {}) {
    this.origin = origin;
    this.#headers = headers;
  }

  /** Opens a page. */
  async get(path: string) {
    return await this.#send(path, { method: "GET" });
  }

  /** Sends a form. */
  async post(path: string, fields: Record<string, string>) {
    return await this.#send(path, { method: "POST", body: new URLSearchParams(fields).toString() });
  }

  async #send(path: string, init: { method: string; body?: string }) {
    const headers = { ...this.#headers, ...(this.cookie !== "" && { cookie: this.cookie }) };
    const response = await exports.default.fetch(this.origin + path, { ...init, headers, redirect: "manual" });
    const set = response.headers.get("set-cookie");
    if (set !== null) this.cookie = /max-age=0/i.test(set) ? "" : (set.split(";")[0] ?? "");
    const html = await response.text();
    const formToken = /name="form_token" value="([0-9a-f]+)"/.exec(html)?.[1] ?? "";
    return { status: response.status, headers: response.headers, html, formToken };
  }

  /** Signs in through the form on a page. */
  async signIn(who: Pick<Person, "token">, page: string) {
    const { formToken } = await this.get(page);
    return await this.post("/login/token", { form_token: formToken, next: page, value: who.token });
  }
}
