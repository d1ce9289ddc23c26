// A stand-in Worker in a process of its own, for its own share of descriptors: it accepts every control connection on
// trunks and sends back what comes. Usage: node echo-worker.ts; it prints its port.
import { startTrunkWorker } from "../../../agent/testing/trunk-worker.ts";

const worker = await startTrunkWorker({ onData: (channel, bytes) => channel.send(bytes) });
process.stdout.write(`${worker.port}\n`);
