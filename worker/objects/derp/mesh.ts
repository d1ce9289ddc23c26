// What other relays of the region may do that know its mesh key (control-protocol.md 7.8): watch who is connected here,
// and have connections closed. That they forward packets to our clients is in relay.ts. We never dial other relays: our
// clients all meet in one object, and one that dials out could not hibernate.
import { concat } from "../../protocol/bytes.ts";
import { encodePeerGone, encodePeerPresent } from "../../protocol/derp/encode.ts";
import { PeerGoneReason } from "../../protocol/derp/frame.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";

/** Frames sent to one watcher as one, when it begins to watch: 56 bytes each. */
const BATCH = 256;

/** Lets a relay watch: it is told of all who are here and then of all who come and go. */
export function beginToWatch(connections: Connections, watcher: Connection): void {
  const present = [...connections.receivers()].map((each) => encodePeerPresent(each.state));
  connections.watch(watcher);
  for (let at = 0; at < present.length; at += BATCH) watcher.send(concat(present.slice(at, at + BATCH)));
}

/** Tells the watchers that a client has logged in. @returns watchers that cannot keep up */
export function announceArrival(connections: Connections, client: Connection): Connection[] {
  if (connections.watchers.size === 0) return [];
  return announce(connections, encodePeerPresent(client.state));
}

/** Tells the watchers that the last connection of a node key has ended. @returns watchers that cannot keep up */
export function announceDeparture(connections: Connections, nodeKey: Uint8Array): Connection[] {
  if (connections.watchers.size === 0) return [];
  return announce(connections, encodePeerGone(nodeKey, PeerGoneReason.DISCONNECTED));
}

/** A watcher that missed one frame would be wrong for ever, so it has to begin anew. */
function announce(connections: Connections, frame: Uint8Array): Connection[] {
  const slow: Connection[] = [];
  for (const watcher of connections.watchers) {
    if (watcher.isOpen) watcher.send(frame);
    else slow.push(watcher);
  }
  return slow;
}
