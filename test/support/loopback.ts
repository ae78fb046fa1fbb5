import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { text } from "node:stream/consumers";

/** A server of this machine that stands in for a service which cannot run here. */
export interface Loopback {
  readonly url: string;
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export async function listenOnLoopback(answer: RequestListener): Promise<Loopback> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("No port is free");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      server.closeAllConnections();
      await once(server.close(), "close");
    },
  };
}

/** The JSON object that a request carries. */
export async function jsonOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const body: Record<string, unknown> = JSON.parse((await text(request)) || "{}");
  return body;
}
