// The bytes of a control connection, over either way that leads to the Worker: the native upgrade, which only a gateway
// serves, and the WebSocket, which the Worker serves itself (control-protocol.md 1.4, 1.5).
import { request } from "node:http";
import type { Socket } from "node:net";
import WebSocket from "ws";

/** Where the bytes of a connection go. */
export interface ControlSocket {
  send(bytes: Uint8Array): void;
  /** Ends it at once. */
  close(): void;
}

/** Who hears of them; `opened` comes before everything else. */
export interface ControlSocketListener {
  opened(socket: ControlSocket): void;
  received(bytes: Uint8Array): void;
  closed(): void;
}

/** How to dial: the initiation goes with the upgrade request. */
export interface Dial {
  /** Origin of a gateway for the native upgrade, of the Worker for the WebSocket. */
  readonly url: string;
  readonly via: "gateway" | "worker";
  readonly initiation: Uint8Array;
}

/** Opens a connection; what follows the upgrade goes to `listener`. @throws Error when it is refused or fails */
export async function openControlSocket(dial: Dial, listener: ControlSocketListener): Promise<void> {
  return dial.via === "gateway" ? openNative(dial, listener) : openWebSocket(dial, listener);
}

function openNative({ url, initiation }: Dial, listener: ControlSocketListener): Promise<void> {
  const headers = {
    Connection: "upgrade",
    Upgrade: "tailscale-control-protocol",
    "X-Tailscale-Handshake": Buffer.from(initiation).toString("base64"),
  };
  return new Promise((resolve, reject) => {
    const upgrade = request(`${url}/ts2021`, { method: "POST", headers, agent: false });
    upgrade.once("error", reject);
    upgrade.once("response", (response) => {
      response.destroy();
      reject(new Error(`upgrade refused: ${response.statusCode}`));
    });
    upgrade.once("upgrade", (_response, socket: Socket, head: Buffer) => {
      socket.setNoDelay(true);
      socket.on("error", () => {}); // a close follows
      socket.on("close", () => listener.closed());
      socket.on("data", (bytes) => listener.received(bytes));
      listener.opened({ send: (bytes) => void socket.write(bytes), close: () => socket.destroy() });
      if (head.length > 0) listener.received(head);
      resolve();
    });
    upgrade.end();
  });
}

function openWebSocket({ url, initiation }: Dial, listener: ControlSocketListener): Promise<void> {
  const handshake = encodeURIComponent(Buffer.from(initiation).toString("base64"));
  const socket = new WebSocket(
    `${url.replace(/^http/, "ws")}/ts2021?X-Tailscale-Handshake=${handshake}`,
    "tailscale-control-protocol",
    { perMessageDeflate: false },
  );
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => listener.closed());
    socket.on("message", (bytes: Buffer) => listener.received(bytes));
    socket.once("open", () => {
      listener.opened({ send: (bytes) => socket.send(bytes), close: () => socket.terminate() });
      resolve();
    });
  });
}
