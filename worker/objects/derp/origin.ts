// What a client's request tells about the client. Both are hints: a gateway passes on the address that it sees, and
// whoever connects directly may say what it likes. Only relays of the mesh are told.
import { isIPv4, parseAddress } from "../../protocol/ip.ts";
import type { Origin } from "./connection.ts";

/** Address and port on the wire of PeerPresent. */
const ADDRESS_LENGTH = 18;
const IPV4_MAPPED = 0xffff_0000_0000n;

/** Reads the headers of an upgrade. */
export function originOf(headers: Headers): Origin {
  const text = headers.get("x-forwarded-for")?.split(",")[0]?.trim() ?? headers.get("cf-connecting-ip") ?? "";
  return {
    address: wireAddress(text),
    isIdeal: !headers.get("ideal-node"),
    takesLongMessages: headers.get("flarescale-messages") === "long",
  };
}

function wireAddress(text: string): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_LENGTH);
  const parsed = parseAddress(text);
  if (parsed === undefined) return bytes;
  let rest = isIPv4(parsed) ? IPV4_MAPPED | (parsed & 0xffff_ffffn) : parsed;
  for (let i = 15; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
