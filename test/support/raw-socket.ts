import { type ClientOptions, WebSocket } from "ws";

/** What a server says over the graphql-transport-ws protocol. */
export interface ServerMessage {
  readonly type: "connection_ack" | "next" | "error" | "complete" | "ping" | "pong";
  readonly id?: string;
  readonly payload?: { readonly data?: Readonly<Record<string, { readonly __typename?: string }>> | null };
}

/** A socket without a client library: says what it is told to, and keeps what it hears. */
export class RawSocket {
  readonly heard: ServerMessage[] = [];
  /** Resolves with the close code, however it closes. */
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined); // what went wrong, the close code tells
    socket.on("message", (data: Buffer) => {
      const message: ServerMessage = JSON.parse(data.toString());
      this.heard.push(message);
    });
  }

  /** Opens a socket; fails with the HTTP status if the upgrade is refused. */
  static async open(url: string, options: ClientOptions = {}): Promise<RawSocket> {
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/graphql`, "graphql-transport-ws", options);
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return new RawSocket(socket);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Bytes said that have not left yet. */
  get unsent(): number {
    return this.#socket.bufferedAmount;
  }

  /** Sends a message of the protocol; resolves once it has left. */
  say(message: object): Promise<void> {
    return new Promise((resolve, reject) => this.#socket.send(JSON.stringify(message), (error) => (error ? reject(error) : resolve())));
  }

  /** Begins an operation. */
  subscribe(id: string, query: string, variables: object = {}): Promise<void> {
    return this.say({ type: "subscribe", id, payload: { query, variables } });
  }

  /** What was said about an operation, as it came. */
  about(id: string): ServerMessage[] {
    return this.heard.filter((message) => message.id === id);
  }

  /** Stops taking bytes off the wire. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  async close(): Promise<void> {
    this.#socket.terminate();
    await this.closed;
  }
}
