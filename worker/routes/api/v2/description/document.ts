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

/** Writes the examples into a document that the schemas have made. */
export function withExamples(document: Description): Description {
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
