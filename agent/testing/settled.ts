// Waiting without a clock of our own: for turns of the event loop, and for a value that has come to rest.
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

/** Waits until what was written before is there: loopback hands it over at once, so that it is read in the next turns of
 *  the event loop, however long they take. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await nextTurn();
}

/** Waits until a number stays the same over ten looks, with time for the event loop in between; returns it. */
export async function settled(read: () => number): Promise<number> {
  let value = read();
  for (let same = 0; same < 10; ) {
    await sleep(20);
    await turns();
    const now = read();
    same = now === value ? same + 1 : 0;
    value = now;
  }
  return value;
}
