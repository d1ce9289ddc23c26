// Capability versions (tailcfg.CapabilityVersion) that change what this server does; a bare number anywhere else is a
// mistake. Source: control-protocol.md Appendix B, which lists what clients 1.80 (113) to 1.103 (145) began to mean.

/** Oldest client that is served: 1.80. Everything up to this version may be assumed of every client. */
export const OLDEST_CAPABILITY_VERSION = 113;
/** The client (1.82) understands a certificate pin (`sha256-raw:`) in a DERP node's CertName. */
export const UNDERSTANDS_CERTIFICATE_PINS = 115;
