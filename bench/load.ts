import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { serve } from "./child.ts";

/** One cell of a measurement: so many connections, each asking again as soon as it has its answer. */
export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** What is asked, one by chance each time. */
  readonly requests: readonly Request[];
  /** How the JSON of a good answer begins; any other ends the run. */
  readonly expected: string;
  /** How many are asked a second, over all connections; as many as possible if left out. */
  readonly perSecond?: number;
}

/** A GraphQL request as it is posted. */
export interface Request {
  readonly token: string;
  /** JSON; `UNIQUE` in it becomes a fresh UUID each time. */
  readonly body: string;
}

/** What a cell gave; times in ms. */
export interface Answers {
  readonly count: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

/** Stands for something that must differ from request to request; as long as a UUID. */
export const UNIQUE = "########-####-####-####-############";

/** A load generator in a process of its own. It speaks HTTP over plain sockets, since it shares the cores with what it measures. */
export const commands = {
  async run({ port, connections, seconds, requests, expected, perSecond }: Load): Promise<Answers> {
    const messages = requests.map(({ token, body }) =>
      [
        "POST /graphql HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        `Authorization: Bearer ${token}`,
        `Content-Length: ${Buffer.byteLength(body)}`,
        "",
        body,
      ].join("\r\n"),
    );
    const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
    const times: number[] = [];
    const began = performance.now();
    const ends = began + seconds * 1000;
    await Promise.all(
      sockets.map((socket) => keepAsking(socket, messages, expected, ends, times, perSecond === undefined ? 0 : (connections / perSecond) * 1000)),
    );
    const elapsed = performance.now() - began;
    for (const socket of sockets) socket.destroy();
    times.sort((a, b) => a - b);
    const quantile = (q: number): number => times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? 0;
    return { count: times.length, perSecond: (times.length / elapsed) * 1000, p50: quantile(0.5), p99: quantile(0.99) };
  },
};

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  return socket;
}

function keepAsking(socket: Socket, messages: string[], expected: string, ends: number, times: number[], pause: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let received: Buffer | null = null;
    let began = 0;
    const ask = (): void => {
      received = null;
      const message = messages[Math.floor(Math.random() * messages.length)] ?? "";
      began = performance.now();
      socket.write(message.replace(UNIQUE, () => randomUUID()));
    };
    socket.on("data", (chunk: Buffer) => {
      received = received ? Buffer.concat([received, chunk]) : chunk;
      const body = received.indexOf("\r\n\r\n") + 4;
      if (body < 4) return;
      const length = /\r\ncontent-length: *(\d+)/i.exec(received.toString("latin1", 0, body))?.[1];
      if (length !== undefined && received.length < body + Number(length)) return;
      if (length === undefined || received.toString("utf8", body, body + Buffer.byteLength(expected)) !== expected) {
        return reject(new Error(`Not the answer that was expected: ${received.toString("utf8", 0, 2000)}`));
      }
      const now = performance.now();
      times.push(now - began);
      const next = Math.max(0, began + pause - now);
      if (now + next >= ends) resolve();
      else if (pause === 0) ask();
      else setTimeout(ask, next);
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("The server closed the connection")));
    ask();
  });
}

serve(commands);
