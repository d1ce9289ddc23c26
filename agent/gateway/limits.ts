// Every maximum of the gateway in one place (kubernetes.md C.1 G2, G4, G5, G7, G9 and C.3). Sizes are bytes, times are
// milliseconds. What a peer may make the gateway hold follows from them: about 0.7 MB per bridge in the worst case
// (both directions stalled: 320 KB and what is in flight to the Worker, to the client 256 KB on a trunk and its socket's
// share), about 11 KB of an idle one on a trunk, 20 KB of another, TLS not counted.

/** Request line and headers of one request; Node answers 431 beyond. */
export const HEADERS_MAX = 32 << 10;
/** Time for the headers of a request, and for the TLS handshake before them. */
export const HEADERS_TIMEOUT_MS = 5_000;
/** How often Node looks for connections that have exceeded it; each look wakes the process. */
export const HEADERS_CHECK_MS = 2_500;
/** Text of X-Tailscale-Handshake; a real one has 136 characters. */
export const HANDSHAKE_MAX = 4 << 10;
/** Bytes that a client may send before its bridge stands; it is paused beyond. */
export const EARLY_BYTES_MAX = 64 << 10;

/** Time from a client's request to the answer of the Worker, waiting and retries included; the client gives 5 s. */
export const DIAL_BUDGET_MS = 4_000;
/** Time for the closing handshake of a WebSocket, and for a client to take its last bytes. */
export const CLOSE_TIMEOUT_MS = 5_000;
/** Words of a Worker's refusal that are passed to the client. */
export const REFUSAL_TEXT_MAX = 1 << 10;

/** A client is not read while more than this waits for the Worker … */
export const PAUSE_ABOVE = 256 << 10;
/** … until no more than this waits. */
export const RESUME_BELOW = 64 << 10;
/** Reads that wait for the Worker are joined up to this size into one message; most of what a message costs is not bytes. */
export const COALESCE_MAX = 64 << 10;
/** What keeping one waiting read costs besides its bytes; counted, so that reads of one byte are not free. */
export const CHUNK_COST = 256;

/** How often bridges are looked after: a look costs a wake of the process, whether bridges stand or not. */
export const HEARTBEAT_MS = 5_000;
/**
 * A Worker that has said nothing for so long gets a WebSocket ping. More than the 47 s between two keep-alives of a map
 * stream, so that bridges in use cost no pings at all; less than the 60 s after which edges cut silent connections.
 */
export const PING_AFTER_MS = 50_000;
/** When it goes on saying nothing it gets another one after this … */
export const PING_AGAIN_MS = 20_000;
/** … and after so many, and as long again, the bridge ends. */
export const MISSED_PINGS_MAX = 2;
/** A client that takes nothing for so long, while bytes wait for it, loses its bridge. */
export const CLIENT_STALL_MS = 120_000;
/** First probe of an idle TCP connection. */
export const TCP_KEEP_ALIVE_MS = 30_000;

/** Bridges of one process; 503 beyond. Each has a connection of its client, and one to the Worker or a share of one. */
export const BRIDGES_MAX = 10_000;
/** Open connections of one listener: the bridges and what waits, passes through or is being refused. */
export const CONNECTIONS_MAX = 12_000;

/** Silence of an HTTP exchange that is passed through … */
export const HTTP_IDLE_MS = 30_000;
/** … and of one whose response has begun without a length. */
export const HTTP_STREAM_IDLE_MS = 600_000;
/** Silence between two requests of one client connection. */
export const HTTP_KEEP_ALIVE_MS = 60_000;

/** How long addresses of the Worker are used without asking again, and how long if asking fails. */
export const ADDRESS_FRESH_MS = 30_000;
export const ADDRESS_STALE_MS = 3_600_000;

/** Bytes that a client has taken before the Worker is told on a trunk: half of the window, so that it never shuts while
 *  a client keeps up, and an idle client's few bytes are never worth a message. */
export const TRUNK_CREDIT_AT = 128 << 10;
/**
 * A trunk without clients is kept so long, one for each Worker, since clients that are restarted come back; another one
 * until the second heartbeat, for crowds that left together and return at once. Less than the minute after which the
 * Worker closes one itself, and than the silence that costs a ping.
 */
export const TRUNK_SPARE_MS = 40_000;
/** A Worker that does not know trunks is asked again after this: it may have been replaced by one that does. */
export const TRUNK_ASK_AGAIN_MS = 600_000;
