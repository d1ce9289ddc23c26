// Finds the endpoint of a request inside Noise. The authority is ignored: clients put anything there
// (control-protocol.md 1.7). Endpoints of features that do not exist here yet answer 501, unknown paths 404.
import { MalformedRequest } from "../protocol/control/json.ts";
import {
  C2N_REPLY_BODY_MAX,
  MAP_BODY_MAX,
  OTHER_BODY_MAX,
  POSTURE_REPORT_BODY_MAX,
  REGISTER_BODY_MAX,
} from "../protocol/limits.ts";
import { forNode } from "./asking-node.ts";
import { auditLog } from "./audit-log.ts";
import { POSTURE_REPORT_PATH, postureReport, SERVICE_REPORT_PATH, serviceReport } from "./c2n.ts";
import {
  type ControlContext,
  type ControlHandler,
  type ControlReply,
  type ControlRequest,
  empty,
  text,
} from "./control-endpoint.ts";
import { queryFeature } from "./feature-query.ts";
import { idToken } from "./id-token.ts";
import { map } from "./map.ts";
import { register } from "./register.ts";
import { setDeviceAttributes } from "./set-device-attr.ts";
import { SSH_ACTION_PATH, sshAction } from "./ssh-action.ts";
import { recordingFailure } from "./ssh-recording.ts";
import { setDns, tailnetLock, webClient } from "./unavailable.ts";

interface Endpoint {
  readonly method: string;
  readonly handler: ControlHandler;
  readonly bodyMax: number;
}

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  "/machine/register": { method: "POST", handler: register, bodyMax: REGISTER_BODY_MAX },
  "/machine/map": { method: "POST", handler: map, bodyMax: MAP_BODY_MAX },
  "/machine/update-health": { method: "POST", handler: forNode(() => empty(204)), bodyMax: OTHER_BODY_MAX },
  "/machine/whoami": { method: "GET", handler: (request) => text(200, request.machineKey), bodyMax: 0 },
  "/machine/set-dns": { method: "POST", handler: setDns, bodyMax: OTHER_BODY_MAX },
  "/machine/id-token": { method: "POST", handler: idToken, bodyMax: OTHER_BODY_MAX },
  "/machine/set-device-attr": { method: "PATCH", handler: setDeviceAttributes, bodyMax: OTHER_BODY_MAX },
  "/machine/ssh/recording-failure": { method: "POST", handler: recordingFailure, bodyMax: OTHER_BODY_MAX },
  "/machine/audit-log": { method: "POST", handler: auditLog, bodyMax: OTHER_BODY_MAX },
  "/machine/feature/query": { method: "POST", handler: queryFeature, bodyMax: OTHER_BODY_MAX },
};

/** Endpoints whose paths go on after these words. */
const PREFIXES: readonly (readonly [string, Endpoint])[] = [
  [SSH_ACTION_PATH, { method: "GET", handler: sshAction, bodyMax: 0 }],
  [SERVICE_REPORT_PATH, { method: "POST", handler: serviceReport, bodyMax: OTHER_BODY_MAX }],
  [POSTURE_REPORT_PATH, { method: "POST", handler: postureReport, bodyMax: POSTURE_REPORT_BODY_MAX }],
  ["/machine/tka/", { method: "GET", handler: tailnetLock, bodyMax: OTHER_BODY_MAX }],
  ["/machine/webclient/", { method: "POST", handler: webClient, bodyMax: 0 }],
];

/** Largest body that a path takes, bytes. Unknown paths may be replies to pings, which are large. */
export function bodyLimitOf(path: string): number {
  return endpointOf(path)?.bodyMax ?? C2N_REPLY_BODY_MAX;
}

/** Answers a request that has arrived whole. */
export function dispatch(request: ControlRequest, context: ControlContext): ControlReply {
  const endpoint = endpointOf(request.path);
  if (endpoint === undefined) return text(404, "not found");
  if (request.method !== endpoint.method) return text(405, "method not allowed");
  try {
    return endpoint.handler(request, context);
  } catch (error) {
    if (error instanceof MalformedRequest) return text(400, error.message);
    throw error;
  }
}

function endpointOf(path: string): Endpoint | undefined {
  const at = path.indexOf("?");
  const name = at < 0 ? path : path.slice(0, at);
  if (Object.hasOwn(ENDPOINTS, name)) return ENDPOINTS[name];
  return PREFIXES.find(([prefix]) => name.startsWith(prefix))?.[1];
}
