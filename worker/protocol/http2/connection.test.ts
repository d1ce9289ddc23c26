import { expect, test } from "vitest";
import { Http2TestClient } from "../../../test/support/http2-client.ts";
import { concat, utf8 } from "../bytes.ts";
import { type Http2Event, type Http2State, openConnection, receive, sendData, sendHeaders } from "./connection.ts";

/** A server that answers every request with its own body, its state cloned before every chunk. */
class EchoServer {
  state: Http2State;
  readonly #bodies = new Map<number, Uint8Array[]>();
  #out: Uint8Array[] = [];

  constructor() {
    this.state = openConnection(this.#out);
  }

  take(): Uint8Array {
    const bytes = concat(this.#out);
    this.#out = [];
    return bytes;
  }

  receive(chunk: Uint8Array): Http2Event[] {
    this.state = structuredClone(this.state);
    const events = receive(this.state, chunk, 0, this.#out);
    for (const event of events) {
      if (event.type === "request") this.#bodies.set(event.streamId, []);
      if (event.type === "data") this.#bodies.get(event.streamId)?.push(event.data.slice());
      if ((event.type === "data" || event.type === "request") && event.endStream) this.#answer(event.streamId);
    }
    return events;
  }

  #answer(streamId: number): void {
    const body = concat(this.#bodies.get(streamId) ?? []);
    sendHeaders(
      this.state,
      streamId,
      { status: 200, headers: [["content-length", `${body.length}`]] },
      false,
      this.#out,
    );
    expect(sendData(this.state, streamId, body, true, this.#out)).toBe(body.length);
  }
}

test("answers 200 echo requests on one connection", () => {
  const client = new Http2TestClient();
  const server = new EchoServer();
  client.receive(server.take());
  server.receive(client.start());
  for (let i = 0; i < 200; i++) {
    const body = utf8(`body ${i}`.repeat(i));
    const { streamId, bytes } = client.request("POST", "/machine/map", body);
    server.receive(bytes);
    server.receive(client.receive(server.take()));
    const response = client.response(streamId);
    expect(response.status).toBe(200);
    expect(response.ended).toBe(true);
    expect(response.body).toEqual(body);
  }
  expect(server.state.streams).toEqual([]);
});
