import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { ClamdAddress } from "../../src/setting-values.ts";

/** How a server behaves that is asked to scan: what it replies to the bytes it got, or what it does to the socket. */
export type Behaviour = (socket: Socket, bytes: Buffer) => void;

/** A server on a loopback port that speaks clamd's INSTREAM, to misbehave as clamd itself cannot be made to. */
export interface LoopbackClamd {
  readonly address: ClamdAddress & { readonly port: number };
  /** What it does once a file is there in whole. */
  behave: Behaviour;
  /** What it does with each piece before that; nothing by default. */
  onPiece: (socket: Socket) => void;
  readonly connections: () => number;
  close(): Promise<void>;
}

/** Replies that everything is clean. */
export const clean: Behaviour = (socket) => socket.end("stream: OK\0");

/** Starts it. */
export async function startLoopbackClamd(behave: Behaviour = clean, port = 0): Promise<LoopbackClamd> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined).on("close", () => sockets.delete(socket)));
    let received = Buffer.alloc(0);
    socket.on("data", (piece) => {
      received = Buffer.concat([received, Buffer.from(piece)]);
      clamd.onPiece(socket);
      const bytes = contentOf(received);
      if (bytes !== null) clamd.behave(socket, bytes);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  const clamd: LoopbackClamd = {
    address: { host: "127.0.0.1", port: address.port },
    behave,
    onPiece: () => undefined,
    connections: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return clamd;
}

/** What was streamed, once its end is there; null before. */
function contentOf(received: Buffer): Buffer | null {
  const command = Buffer.from("zINSTREAM\0");
  if (!received.subarray(0, command.length).equals(command.subarray(0, received.length))) throw new Error("That is not INSTREAM");
  const chunks: Buffer[] = [];
  for (let at = command.length; at + 4 <= received.length;) {
    const length = received.readUInt32BE(at);
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(received.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return null;
}
