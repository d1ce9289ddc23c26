// Export and import of the whole tailnet as a file, for its owner alone (docs/move.md): extensions of the API.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { sha256 } from "@noble/hashes/sha2.js";
import { HTTPException } from "hono/http-exception";
import { readSettings } from "../../../../env.ts";
import { resultOf } from "../../../../middleware/on-error.ts";
import { readText } from "../../../../middleware/request-body.ts";
import { toHex, utf8 } from "../../../../protocol/bytes.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import { TRANSFER_MAX } from "../../../../protocol/limits.ts";
import { formatTransfer, parseTransfer, TransferError } from "../../../../protocol/transfer/document.ts";
import type { TransferContent } from "../../../../tailnet/transfer.ts";
import { apiRoute, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";
import { toContent, toLines } from "./transfer-schema.ts";

const TAGS = ["Transfer"];
const params = z.object({ tailnet: TailnetName });
const file = { "application/x-ndjson": { schema: z.string() } } as const;

const exportTailnet = apiRoute("exportTailnet", {
  method: "get",
  path: "/tailnet/{tailnet}/export",
  tags: TAGS,
  summary: "Export the tailnet",
  description:
    "For the owner alone. The file holds the server's private keys: whoever has it can stand in for the server. Lines of JSON; see docs/move.md.",
  request: { params },
  responses: { 200: { description: "The tailnet", content: file } },
});

const importTailnet = apiRoute("importTailnet", {
  method: "post",
  path: "/tailnet/{tailnet}/import",
  tags: TAGS,
  summary: "Import a tailnet",
  description:
    "For the owner of a new tailnet alone. All of the file is taken or nothing; the same file again changes nothing. The token of this request becomes that of the imported owner.",
  request: { params, body: { content: file, required: true } },
  responses: {
    200: reply(
      z.object({ users: z.number().int(), devices: z.number().int(), alreadyImported: z.boolean() }),
      "What there is now",
    ),
  },
});

/** Export and import. */
export const transferRoutes = new OpenAPIHono<{ Bindings: Env }>();

transferRoutes.openapi(exportTailnet, async (c) => {
  const stream = await c.var.administration.transfer.export();
  const content: TransferContent = await new Response(stream).json();
  const { tailnetName, magicDnsSuffix } = readSettings(c.env);
  const header = { exportedAt: formatTime(Date.now()), tailnet: tailnetName, magicDnsSuffix };
  return c.body(formatTransfer(header, toLines(content)), 200, { "content-type": "application/x-ndjson" }) as never; // the description knows JSON alone
});

transferRoutes.openapi(importTailnet, async (c) => {
  const text = await readText(c.req.raw, TRANSFER_MAX);
  const outcome = await c.var.administration.transfer.import(read(text), toHex(sha256(utf8(text))));
  const { users, nodes, isRepeated } = resultOf(outcome);
  return c.json({ users, devices: nodes, alreadyImported: isRepeated }, 200);
});

function read(text: string): TransferContent {
  try {
    return toContent(parseTransfer(text).lines);
  } catch (error) {
    if (!(error instanceof TransferError)) throw error;
    throw new HTTPException(400, { message: error.message });
  }
}
