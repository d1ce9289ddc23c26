// Every maximum that a peer can run into, in one place, so that exposure can be judged in a minute.
// Sizes are bytes, times are milliseconds unless the name says otherwise. Values marked "wire" are fixed by the
// protocol; the others were chosen here: well above what real clients send (measured with 1.80 and 1.102), low enough
// that a hostile peer cannot make an object hold more than a few hundred kilobytes.

/** Noise: one record with its 3-byte header (wire: controlbase). */
export const NOISE_MAX_RECORD = 4096;
/** Noise: plaintext of one record: record − header − 16-byte tag (wire). */
export const NOISE_MAX_PLAINTEXT = NOISE_MAX_RECORD - 3 - 16;
/** Largest WebSocket message that we send; WASM clients refuse more than 32,768 (wire), 16 KiB keeps latency low. */
export const WEBSOCKET_MAX_SEND = 16_384;
/** The same to a gateway of ours, which carries bytes and takes any length up to its limit. */
export const WEBSOCKET_MAX_SEND_LONG = 64 << 10;
/** Largest WebSocket message to a gateway on a trunk: what a broadcast to all of its channels hardly ever exceeds. */
export const TRUNK_MAX_SEND = 1 << 20;
/** Largest WebSocket message that we accept on a control connection; clients and gateways send ≤ 64 KiB. */
export const WEBSOCKET_MAX_RECEIVE = 1 << 20;

/** HTTP/2: payload of one frame (RFC 9113 §4.2, the default that both sides keep). */
export const HTTP2_MAX_FRAME = 16_384;
/** HTTP/2: compressed header block including CONTINUATION. Real requests need under 500 bytes; it lies in attachments. */
export const HTTP2_MAX_HEADER_BLOCK = 4_096;
/** HTTP/2: decoded header list, counted as RFC 9113 §6.5.2 does; announced as MAX_HEADER_LIST_SIZE. */
export const HTTP2_MAX_HEADER_LIST = 16_384;
/** HTTP/2: CONTINUATION frames in one header block. */
export const HTTP2_MAX_CONTINUATIONS = 8;
/** HTTP/2: streams open at a time; announced as MAX_CONCURRENT_STREAMS. */
export const HTTP2_MAX_STREAMS = 100;
/** HTTP/2: receive window of each stream, announced as INITIAL_WINDOW_SIZE. */
export const HTTP2_STREAM_WINDOW = 1 << 20;
/** HTTP/2: receive window of the connection, opened to this by the first WINDOW_UPDATE. */
export const HTTP2_CONNECTION_WINDOW = 1 << 20;
/** HTTP/2: RST_STREAM, PING, SETTINGS and empty DATA frames allowed within {@link HTTP2_FLOOD_WINDOW_MS}. */
export const HTTP2_MAX_RESETS = 200;
export const HTTP2_MAX_PINGS = 200;
export const HTTP2_MAX_SETTINGS = 50;
export const HTTP2_MAX_EMPTY_DATA = 200;
export const HTTP2_FLOOD_WINDOW_MS = 30_000;
/** HTTP/2: payload of one SETTINGS frame: 32 parameters; clients send 3 or 4. */
export const HTTP2_MAX_SETTINGS_PAYLOAD = 32 * 6;
/** HTTP/2: received bytes after which a window is returned; small, so that a slow reader never sees a shut window. */
export const HTTP2_WINDOW_RETURN = 32 << 10;

/** DERP: largest frame of any kind; longer ones end the connection (wire: derp.go). */
export const DERP_MAX_FRAME = 1 << 20;
/** DERP: packet in one frame (wire). */
export const DERP_MAX_PACKET = 64 << 10;
/** DERP: ClientInfo. Upstream takes 256 KiB; real ones have under 200 bytes. */
export const DERP_MAX_CLIENT_INFO = 4096;
/** DERP: payload of Ping and Pong, of which 8 bytes count (wire). */
export const DERP_MAX_PING = 1000;
/** DERP: one WebSocket message from a client or a gateway; gateways send ≤ 64 KiB. */
export const DERP_MAX_MESSAGE = 256 << 10;
/** DERP: frames that arrive while it is decided whether their sender may use the relay. */
export const DERP_MAX_HELD = 128 << 10;
/** DERP: bytes on their way to one client that it has not acknowledged: 160 Mbit/s over 200 ms. */
export const DERP_SEND_WINDOW = 4 << 20;
/** DERP: the same when much is on its way to others; enough for one packet of any size and then some. */
export const DERP_MIN_SEND_WINDOW = 128 << 10;
/** DERP: unacknowledged bytes of a whole region, above which windows are at their smallest. */
export const DERP_REGION_WINDOW = 32 << 20;
/** DERP: bytes after which a client is asked to acknowledge. */
export const DERP_ACK_EVERY = 64 << 10;
/** DERP: packets that wait for a slow client, path-discovery packets and others apart (wire: derpserver). */
export const DERP_MAX_QUEUED = 32;
/** DERP: the same in bytes, both kinds together. */
export const DERP_MAX_QUEUED_BYTES = 256 << 10;
/** DERP: connections of one node key; more close the oldest. */
export const DERP_MAX_CONNECTIONS_PER_KEY = 8;
/** DERP: connections that have not logged in, in one region; more close the oldest. */
export const DERP_MAX_PENDING_LOGINS = 1_000;
/** DERP: peers remembered as having heard from a connection, to be told when it ends; the oldest are forgotten first. */
export const DERP_MAX_HEARD_BY = 2_000;
/** DERP: reports of absent peers to one client at once; one more is earned per second (wire: derpserver). */
export const DERP_REPORTS_BURST = 3;
/** DERP: bytes of an unfinished frame that are kept in the socket's attachment; when there are more, they go to storage. */
export const DERP_MAX_INLINE_PARTIAL = 4096;
/** DERP: time to log in, counted in whole rounds of the alarm. */
export const DERP_LOGIN_MS = 10_000;
/** DERP: time between keep-alives. Clients give up after 120 s, and an alarm may be up to 60 s late. */
export const DERP_KEEP_ALIVE_MS = 50_000;
/** DERP: time after which a client that acknowledges nothing is closed. */
export const DERP_STALLED_MS = 30_000;

/**
 * Noise handshakes of one source address (an IPv6 /64 counts as one). A gateway is one address for all of its clients:
 * 1,000 nodes that come back at once, each with two connections and a few tries, must pass.
 */
export const HANDSHAKE_RATE = { burst: 3_000, perSecond: 100 } as const;
/** Refused channels of one trunk; a gateway whose clients are told to wait forwards them nonetheless. */
export const TRUNK_REFUSAL_RATE = { burst: 1_000, perSecond: 50 } as const;
/** Register requests of one machine: each costs a look-up, a hash and perhaps a write. */
export const REGISTER_RATE = { burst: 60, perSecond: 1 } as const;
/** Identity tokens of one machine; a signature costs a millisecond of processor time. */
export const TOKEN_RATE = { burst: 20, perSecond: 0.5 } as const;
/** Reports of one machine for the audit log, and characters of their texts. */
export const REPORT_RATE = { burst: 20, perSecond: 0.1 } as const;
export const REPORT_ACTION_MAX = 64;
export const REPORT_DETAILS_MAX = 4_096;
/** Characters of the audience of an identity token. */
export const TOKEN_AUDIENCE_MAX = 1_024;

/** DERP: questions to the tailnets about unknown node keys, at once and per second; more logins are put off. */
export const DERP_QUESTIONS_BURST = 1_000;
export const DERP_QUESTIONS_PER_SECOND = 100;
/** DERP: time between questions about all who are connected, should the news of a revocation be lost. */
export const DERP_RECHECK_MS = 600_000;
/** DERP: body of an admission question of another relay (wire: derper sends under 200 bytes). */
export const DERP_VERIFY_BODY_MAX = 4096;
/** DERP: an operator's order to restart, and the longest times in it. */
export const DERP_RESTART_BODY_MAX = 4096;
export const DERP_RESTART_MAX_MS = 600_000;
/** DERP: what a message costs beyond its bytes, in bytes that take as long to relay (measured; docs/relay.md). */
export const DERP_MESSAGE_COST = 10 << 10;
/** DERP: smallest rate that may be set, bytes per second: a burst holds the longest packet (wire: derpserver). */
export const DERP_MIN_RATE = DERP_MAX_PACKET + 32;
/** DERP: cost of a region's traffic per second above which each client is held to its share. */
export const DERP_REGION_RATE = 256 << 20;

/** Serialised connection state kept with a socket; the platform refuses more than 16,384. */
export const ATTACHMENT_MAX = 16_000;

/** Bodies inside Noise, by path (control-protocol.md 0.2). */
export const REGISTER_BODY_MAX = 1 << 20;
export const MAP_BODY_MAX = 1 << 20;
export const C2N_REPLY_BODY_MAX = 16 << 20;
export const OTHER_BODY_MAX = 1 << 20;
export const POSTURE_REPORT_BODY_MAX = 16 << 10;
/** Request bodies that one connection may have in flight in all. */
export const CONNECTION_BODIES_MAX = 20 << 20;
/** Name of an account that somebody wants to log in to over SSH. Linux takes 32 characters. */
export const SSH_LOCAL_USER_MAX = 256;
/** Recorders that are kept of one report of an SSH session, and characters of each text. */
export const SSH_RECORDING_MAX_ATTEMPTS = 10;
export const SSH_RECORDING_MAX_TEXT = 512;
/** Bodies of public HTTP requests. */
export const API_BODY_MAX = 10 << 20;

/** Forms of the login pages. */
export const FORM_BODY_MAX = 16 << 10;
/** JSON of the devices in one answer of an object; the platform refuses results of more than 32 MiB. */
export const DEVICE_PAGE_MAX = 8 << 20;
/** Routes approved for one node, and tags given to one. */
export const NODE_MAX_ROUTES = 10_000;
export const NODE_MAX_TAGS = 1_000;
/** Device posture attributes set on one node. */
export const NODE_MAX_ATTRIBUTES = 100;

/** Endpoints kept of one node. */
export const NODE_MAX_ENDPOINTS = 50;
/** Hostinfo as stored, serialised, in UTF-16 units. */
export const HOSTINFO_MAX = 64 << 10;
/** Hostinfo: objects and lists within each other. Real ones have three levels. */
export const HOSTINFO_MAX_DEPTH = 16;

/** Characters of a policy file. */
export const POLICY_MAX_TEXT = 1 << 20;
/** Login name, tag, or address with port, that a preview of the policy is for; in characters. */
export const POLICY_MAX_PREVIEW_FOR = 512;
/** Devices of a user or with a tag about which one answer tells who may reach what. */
export const POLICY_MAX_REACH_DEVICES = 20;
/** Devices in one answer about what a policy would change, and peers of each kind that are named for one of them. */
export const POLICY_MAX_FORESEEN_DEVICES = 500;
export const POLICY_MAX_FORESEEN_PEERS = 20;

/** Entries of the configuration audit log; the oldest go first. */
export const AUDIT_MAX_EVENTS = 50_000;
/** Characters of one value, before or after, in an entry of that log. */
export const AUDIT_MAX_VALUE = 64 << 10;
/** Entries and characters (give or take 50 entries) of that log that the object hands out at once. */
export const AUDIT_PAGE_MAX = 1_000;
export const AUDIT_PAGE_CHARACTERS = 2 << 20;
/** Characters of the entries in one answer of the API. */
export const AUDIT_ANSWER_MAX = 16 << 20;

/** STUN: a request; a real one has 40 bytes. */
export const STUN_MAX_REQUEST = 512;
/** STUN: attributes of one message; a real request has two. */
export const STUN_MAX_ATTRIBUTES = 16;
/** DNS settings: nameservers in one list, search paths, domains of split DNS. All of them reach every client. */
export const DNS_MAX_NAMESERVERS = 20;
export const DNS_MAX_SEARCH_PATHS = 50;
export const DNS_MAX_DOMAINS = 500;

/** Scopes, tags and claim rules of one trust credential, and characters of a text of its rules. */
export const CREDENTIAL_MAX_LIST = 200;
export const CREDENTIAL_MAX_TEXT = 1_024;
/** Characters of a form that asks for an access token, and of the key set of an issuer. */
export const TOKEN_FORM_MAX = 64 << 10;
export const JWKS_MAX = 256 << 10;
/** Issuers whose keys are set through the API. */
export const ISSUERS_MAX = 100;

/** Services of a tailnet; each adds two addresses, two DNS records and, on hosts, two routes. */
export const SERVICES_MAX = 1_000;
/** Services, and ports of each, in one client's report. */
export const SERVICE_REPORT_MAX = 100;

/** Serial numbers that are kept of a device; real ones tell three at most. */
export const POSTURE_SERIALS_MAX = 16;
/** Longest serial number that is kept, characters. */
export const POSTURE_SERIAL_LENGTH_MAX = 128;
/** Characters of the texts of a Service, its annotations in all included. */
export const SERVICE_MAX_TEXT = 16 << 10;

/** A file that holds a whole tailnet. The platform takes 32 MiB from one part of the program to another. */
export const TRANSFER_MAX = 24 << 20;
/** Open invites of people, and those made by one request. */
export const USER_INVITES_MAX = 1_000;
export const USER_INVITES_AT_ONCE = 100;

/** Characters of one field of a log stream. */
export const LOG_STREAM_MAX_TEXT = 4_096;
/** Entries and characters of one request of a log stream; a single entry may be longer. */
export const LOG_BATCH_ENTRIES = 500;
export const LOG_BATCH_CHARACTERS = 512 << 10;
/** Identifiers for trust policies of AWS roles; the oldest go first. */
export const EXTERNAL_IDS_MAX = 100;

/** Webhook endpoints, and events of all of them that wait to be delivered; the oldest go first. */
export const WEBHOOKS_MAX = 50;
export const WEBHOOK_QUEUE_MAX = 1_000;
/** Characters of an endpoint's URL. */
export const WEBHOOK_MAX_URL = 2_000;
