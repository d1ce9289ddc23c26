// A request id on every answer: `x-request-id`, also in the log beside what went wrong. Made here; one that a caller or
// a gateway sends is not taken over, so that ids in the log are ours alone.
import { createMiddleware } from "hono/factory";

/** Gives the request its id. Upgrades (status 101) keep their headers as they are. */
export const requestId = createMiddleware<{ Variables: { requestId: string } }>(async (c, next) => {
  c.set("requestId", crypto.randomUUID());
  await next();
  if (c.res.status !== 101) c.header("x-request-id", c.var.requestId);
});
