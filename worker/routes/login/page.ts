// The frame of every page: one column that fits a phone, styles inside the page, no script, nothing from elsewhere. The
// Content-Security-Policy permits exactly that.
import { sha256 } from "@noble/hashes/sha2.js";
import type { Context } from "hono";
import { html, raw } from "hono/html";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { toBase64, utf8 } from "../../protocol/bytes.ts";

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --accent: #1d5fd1; --danger: #b3261e; }
body { margin: 0 auto; max-width: 34rem; padding: 1.5rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1rem; border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; }
dt { opacity: .7; }
dd { margin: 0; overflow-wrap: anywhere; }
label { display: block; margin: .75rem 0; }
input { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit; }
button { width: 100%; margin: .35rem 0; padding: .75rem; border: 1px solid var(--line); border-radius: .5rem; font: inherit; cursor: pointer; }
.approve { background: var(--accent); color: #fff; }
.warning { border-left: .25rem solid var(--danger); padding-left: .75rem; }
.quiet button { width: auto; padding: .35rem .75rem; }
code { overflow-wrap: anywhere; }
pre { overflow-x: auto; }
nav { display: flex; flex-wrap: wrap; gap: .5rem 1rem; }
details { border-top: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; }
details h3 { font-size: 1rem; margin-bottom: 0; }
`;

const HEADERS = {
  "content-security-policy": [
    "default-src 'none'",
    `style-src 'sha256-${toBase64(sha256(utf8(STYLE)))}'`,
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; "),
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Longest text of a device that a page shows. */
const SHOWN_LENGTH = 128;

/** Markup made by `html`, which escapes everything that is put into it. */
export type Markup = ReturnType<typeof html>;

/** Answers with a page. */
export function page(
  c: Context,
  title: string,
  content: Markup,
  status: ContentfulStatusCode = 200,
): Response | Promise<Response> {
  for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <h1>${title}</h1>
        ${content}
      </body>
    </html>`;
  return c.html(document, status);
}

/** What a device says of itself, fit to be shown: short, and without characters that control how text is laid out. */
export function shown(text: unknown): string {
  const visible = typeof text === "string" ? text.replaceAll(/\p{C}/gu, "").slice(0, SHOWN_LENGTH) : "";
  return visible === "" ? "unknown" : visible;
}
