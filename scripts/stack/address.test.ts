import { createSocket } from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { choosePort, hostPort, isFreeUdpPort, origin, reachable } from "./address.ts";

test("writes origins as URLs have them", () => {
  expect(origin("http", "127.0.0.1", 8080)).toBe("http://127.0.0.1:8080");
  expect(origin("http", "control.example.com", 80)).toBe("http://control.example.com");
  expect(origin("https", "control.example.com", 443)).toBe("https://control.example.com");
  expect(origin("http", "fd7a::1", 8080)).toBe("http://[fd7a::1]:8080");
  expect(hostPort("::", 80)).toBe("[::]:80");
});

test("reaches a listener on every interface by loopback", () => {
  expect(["0.0.0.0", "::", "10.1.2.3"].map(reachable)).toEqual(["127.0.0.1", "::1", "10.1.2.3"]);
});

test("chooses a port that can be listened on", async () => {
  const port = await choosePort("127.0.0.1", 0);
  const server = net.createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  server.close();
  expect(await choosePort("127.0.0.1", 8080)).toBe(8080);
});

test("tells whether a UDP port is taken", async () => {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  expect(await isFreeUdpPort("127.0.0.1", port)).toBe(false);
  socket.close();
  await once(socket, "close");
  expect(await isFreeUdpPort("127.0.0.1", port)).toBe(true);
});
