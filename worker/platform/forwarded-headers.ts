// Headers that the Worker sets on requests it hands on to an object. Whatever a client sends under these names is replaced.

/** Id of the Durable Object of the tailnet that the request is for. */
export const TAILNET_ID_HEADER = "flarescale-tailnet-id";
