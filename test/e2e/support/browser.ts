// A person at a browser, as far as the login pages need one: opens a page, keeps its cookies, fills in and sends its
// forms. Understands just the forms that worker/routes/login serves.

/** A page with what its forms need. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly html: string;
}

/** One browser with its cookies. */
export class Browser {
  readonly #cookies = new Map<string, string>();

  /** Opens a page. */
  async open(url: string): Promise<Page> {
    return await this.#load(url, {});
  }

  /** Sends the first form whose action has `action` in it, with its hidden fields and `fields`. */
  async submit(page: Page, action: string, fields: Readonly<Record<string, string>> = {}): Promise<Page> {
    const forms = [...page.html.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)];
    const form = forms.find((match) => match[1]?.includes(action));
    if (form === undefined) throw new Error(`no form for ${action} on ${page.url}`);
    const hidden = [...(form[2] ?? "").matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)];
    const body = new URLSearchParams(hidden.map((match) => [match[1] ?? "", match[2] ?? ""]));
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return await this.#load(new URL(form[1] ?? "", page.url).href, { method: "POST", body });
  }

  /** Approves the device behind an AuthURL as the holder of an API token. */
  async approve(authUrl: string, apiToken: string): Promise<Page> {
    const signIn = await this.open(authUrl);
    const page = await this.submit(signIn, "/login/", { value: apiToken });
    return await this.submit(page, "/approve");
  }

  async #load(url: string, init: RequestInit): Promise<Page> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const origin = new URL(url).origin;
    const reply = await fetch(url, { ...init, headers: { cookie, origin }, redirect: "manual" });
    for (const set of reply.headers.getSetCookie()) {
      const [pair = ""] = set.split(";");
      const at = pair.indexOf("=");
      this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const location = reply.headers.get("location");
    if (location !== null) return await this.open(new URL(location, url).href);
    return { url, status: reply.status, html: await reply.text() };
  }
}
