// A role that lasts mostly waits, and should then hold what it needs and no garbage.
import { setFlagsFromString } from "node:v8";

/**
 * Has V8 collect ten seconds after work has ended, and keep its heap small while there is work. By itself it holds back
 * until 100 s have passed without a collection, since after a burst it takes the process for one that goes on allocating,
 * and lets three times 16 MB of short-lived garbage lie. A flag and no option of `node`, so that it holds however the role
 * is started.
 */
export function keepHeapLean(): void {
  setFlagsFromString("--optimize-for-size");
}
