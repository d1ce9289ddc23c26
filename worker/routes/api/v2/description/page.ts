// The reference page: the OpenAPI document as one page of HTML that fits a phone. No script and nothing from elsewhere;
// the frame's Content-Security-Policy permits no more (login/page.ts). Details open and close by the browser's own means.
import type { Context } from "hono";
import { html } from "hono/html";
import { type Markup, page } from "../../../login/page.ts";
import type { DescribedContent, DescribedOperation, DescribedSchema, Description } from "./document.ts";

interface Entry {
  readonly method: string;
  readonly path: string;
  readonly operation: DescribedOperation;
}

/** Answers with the reference page of a document. */
export function referencePage(c: Context, document: Description, origin: string): Response | Promise<Response> {
  const groups = groupsOf(document);
  const names = Object.keys(document.components.schemas).sort();
  const content = html`
    <p>${document.info.description ?? ""}</p>
    <p>Base: <code>${origin}/api/v2</code>. For programs: <a href="/api/v2/openapi.json">OpenAPI ${document.openapi}</a>.</p>
    <p>Present an API token as <code>Authorization: Bearer tskey-api-…</code>, or as the user name of Basic authentication.</p>
    <nav>${[...groups.keys()].map((tag) => html`<a href="#${anchor(tag)}">${tag}</a> `)}<a href="#schemas">Schemas</a></nav>
    ${[...groups].map(([tag, entries]) => group(tag, entries))}
    <h2 id="schemas">Schemas</h2>
    ${names.map((name) => schemaDetails(name, document.components.schemas[name] ?? {}))}`;
  return page(c, document.info.title, content);
}

function groupsOf({ paths }: Description): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0] ?? "";
      groups.set(tag, [...(groups.get(tag) ?? []), { method: method.toUpperCase(), path, operation }]);
    }
  }
  return groups;
}

function group(tag: string, entries: readonly Entry[]): Markup {
  return html`<h2 id="${anchor(tag)}">${tag}</h2>
    ${entries.map(operationDetails)}`;
}

function operationDetails({ method, path, operation }: Entry): Markup {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  return html`<details id="${operationId}">
    <summary>${summary}<br /><code>${method} ${path}</code></summary>
    ${description === undefined ? "" : html`<p>${description}</p>`}
    ${operation.security.length === 0 ? html`<p>Needs no token.</p>` : ""}
    ${parameters.length === 0 ? "" : html`<dl>${parameters.map(parameterRow)}</dl>`}
    ${contentDetails("Body", requestBody?.content)}
    ${Object.entries(responses).map(([status, { description: meaning, content }]) =>
      contentDetails(`${status === "default" ? "Otherwise" : status}: ${meaning}`, content),
    )}
  </details>`;
}

function parameterRow({
  name,
  in: where,
  required,
  description,
  schema,
  example,
}: NonNullable<DescribedOperation["parameters"]>[number]): Markup {
  const words = [`in ${where}`, required === true ? "required" : "", description ?? schema?.description ?? ""];
  return html`<dt><code>${name}</code></dt>
    <dd>${words.filter((word) => word !== "").join("; ")}${example === undefined ? "" : html`, such as <code>${example}</code>`}</dd>`;
}

function contentDetails(title: string, content: DescribedContent = {}): Markup {
  // Of a body in two forms, the last is the one that may hold comments.
  const [type, { schema, example }] = Object.entries(content).at(-1) ?? ["", {}];
  const shown = example === undefined ? "" : html`<pre>${exampleText(type, example)}</pre>`;
  return html`<h3>${title}</h3>
    ${schema === undefined ? "" : html`<p>${schemaSummary(schema)}</p>`}${shown}`;
}

function schemaSummary(schema: DescribedSchema): Markup {
  const name = nameOf(schema);
  if (name !== undefined) return html`<a href="#schema-${name}">${name}</a>`;
  return html`<code>${JSON.stringify(schema)}</code>`;
}

function schemaDetails(name: string, schema: DescribedSchema): Markup {
  return html`<details id="schema-${name}">
    <summary>${name}</summary>
    <p>${schema.description ?? ""}</p>
    <pre>${JSON.stringify(schema, null, 2)}</pre>
  </details>`;
}

function exampleText(type: string, example: unknown): string {
  if (typeof example === "string") return example;
  if (type.includes("form")) return new URLSearchParams(example as Record<string, string>).toString();
  return JSON.stringify(example, null, 2);
}

function nameOf({ $ref }: DescribedSchema): string | undefined {
  return $ref?.split("/").at(-1);
}

function anchor(tag: string): string {
  return tag.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}
