// Whom to write to about the tailnet (api-v2.md 2.12). Addresses are taken as they are: no mail is sent, so nothing waits
// to be verified.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { RefusalException } from "../../../../middleware/on-error.ts";
import { CONTACT_TYPES } from "../../../../tailnet/entities/settings.ts";
import { apiRoute, body, Done, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const TAGS = ["Contacts"];
const params = z.object({ tailnet: TailnetName });
const contactParams = params.extend({
  contactType: z.string().openapi({ param: { name: "contactType", in: "path" }, example: "security" }),
});
const ContactSchema = z.object({ email: z.string(), needsVerification: z.boolean() });
const Contacts = z
  .object({ account: ContactSchema, support: ContactSchema, security: ContactSchema })
  .openapi("Contacts");

const listContacts = apiRoute("listContacts", {
  method: "get",
  path: "/tailnet/{tailnet}/contacts",
  tags: TAGS,
  summary: "List contacts",
  request: { params },
  responses: { 200: reply(Contacts, "The contacts") },
});

const updateContact = apiRoute("updateContact", {
  method: "patch",
  path: "/tailnet/{tailnet}/contacts/{contactType}",
  tags: TAGS,
  summary: "Set a contact",
  request: { params: contactParams, body: body(z.object({ email: z.string() })) },
  responses: { 200: reply(Done, "Done") },
});

const resendVerification = apiRoute("resendContactVerification", {
  method: "post",
  path: "/tailnet/{tailnet}/contacts/{contactType}/resend-verification-email",
  tags: TAGS,
  summary: "Refused: no contact waits to be verified",
  request: { params: contactParams },
  responses: { 200: reply(Done, "Never") },
});

/** Contacts: list, set. */
export const contactRoutes = new OpenAPIHono<{ Bindings: Env }>();

contactRoutes.openapi(listContacts, async (c) => {
  const { account, support, security } = (await c.var.administration.tailnetSettings.get()).contacts;
  const shown = ({ email }: { readonly email: string }) => ({ email, needsVerification: false });
  return c.json({ account: shown(account), support: shown(support), security: shown(security) }, 200);
});

contactRoutes.openapi(updateContact, async (c) => {
  const type = typeOf(c.req.param("contactType"));
  const outcome = await c.var.administration.tailnetSettings.setContact(type, c.req.valid("json").email);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json({}, 200);
});

contactRoutes.openapi(resendVerification, (c) => {
  typeOf(c.req.param("contactType"));
  throw new HTTPException(400, { message: "contact does not need verification" });
});

function typeOf(text: string): (typeof CONTACT_TYPES)[number] {
  const type = CONTACT_TYPES.find((known) => known === text);
  if (type === undefined) throw new HTTPException(404, { message: "contact type not found" });
  return type;
}
