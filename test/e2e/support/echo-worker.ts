// A stand-in Worker in a process of its own, for its own share of descriptors: it accepts every WebSocket and sends back
// what comes. Usage: node echo-worker.ts; it prints its port.
import { startStandIn } from "../../../agent/testing/stand-in-worker.ts";

const worker = await startStandIn();
process.stdout.write(`${worker.port}\n`);
for (;;) {
  const { webSocket } = await worker.next();
  webSocket.on("message", (bytes) => webSocket.send(bytes));
}
