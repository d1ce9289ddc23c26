// The OpenAPI 3.1 document: what the routes' schemas say, with the examples beside it.
import type { Operation } from "../access.ts";
import { EXAMPLES, type Example, PATH_EXAMPLES } from "./examples.ts";

/** A parameter as the document has it. */
export interface DescribedParameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: DescribedSchema;
  example?: unknown;
}

/** A schema, as far as it is looked into here. */
export interface DescribedSchema {
  readonly $ref?: string;
  readonly description?: string;
  readonly [keyword: string]: unknown;
}

/** Content of a request or an answer, by media type. */
export type DescribedContent = Record<string, { readonly schema?: DescribedSchema; example?: unknown }>;

/** An operation. */
export interface DescribedOperation {
  readonly operationId: Operation;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly object[];
  readonly parameters?: readonly DescribedParameter[];
  readonly requestBody?: { readonly content: DescribedContent; readonly required?: boolean };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: DescribedContent }>>;
}

/** The document. */
export interface Description {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, DescribedSchema>> };
}

/** Completes a document that the schemas have made: with the examples, and with null where an enumeration permits it. */
export function completed(document: Description): Description {
  permitNull(document);
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    const example: Example = EXAMPLES[operation.operationId];
    for (const parameter of operation.parameters ?? []) {
      const value = parameter.in === "path" ? PATH_EXAMPLES[parameter.name] : example.query?.[parameter.name];
      if (value !== undefined) parameter.example = value;
    }
    for (const content of Object.values(operation.requestBody?.content ?? {})) content.example = example.body;
  }
  return document;
}

/** Enumerations that may be null have to list it: JSON Schema Validation 2020-12 §6.1.2. */
function permitNull(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const { type, enum: options } = value as { readonly type?: unknown; readonly enum?: unknown };
  if (Array.isArray(type) && type.includes("null") && Array.isArray(options) && !options.includes(null)) {
    options.push(null);
  }
  for (const inner of Object.values(value)) permitNull(inner);
}
