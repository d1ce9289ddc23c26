// Headers that the Worker sets on requests it hands on to an object. Whatever a client sends under these names is replaced.

/** Id of the DERP region that the request is for. */
export const REGION_ID_HEADER = "flarescale-derp-region";
