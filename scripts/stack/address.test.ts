import { createSocket } from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { choosePort, hostPort, isFreeTcpPort, isFreeUdpPort, origin, reachable } from "./address.ts";

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
  expect(await isFreeTcpPort("127.0.0.1", port)).toBe(false);
  server.close();
  expect(await choosePort("127.0.0.1", 8080)).toBe(8080);
});

test("chooses no port twice, none that is taken, and none that a system hands out to whoever asks for any", async () => {
  const taken = new Set<number>();
  const isFree = (_: string, port: number) => {
    taken.add(port);
    return Promise.resolve(taken.size % 2 === 0);
  };
  const ports = new Set<number>();
  for (let i = 0; i < 100; i++) ports.add(await choosePort("127.0.0.1", 0, isFree));
  expect([ports.size, taken.size]).toEqual([100, 200]);
  for (const port of ports) expect(port >= 1_024 && port < 32_768).toBe(true);
  await expect(choosePort("192.0.2.1", 0)).rejects.toThrow("no port of 192.0.2.1 can be listened on");
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
