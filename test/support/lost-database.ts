import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A way to a database that can be cut, as a network or a restarting PostgreSQL cuts it. */
export interface Route {
  /** The same database, by this way. */
  readonly url: string;
  /** Breaks every connection and refuses new ones, until it is restored. */
  cut(): void;
  /** Lets nothing through any more, and says nothing, as a paused machine or a lost network; until it is restored. */
  freeze(): void;
  restore(): void;
  close(): Promise<void>;
}

/** Opens a way to the database of this URL. */
export async function routeTo(databaseUrl: string): Promise<Route> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let isCut = false;
  let isFrozen = false;
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    if (isFrozen) {
      sockets.add(near);
      near.on("error", () => near.destroy());
      near.on("close", () => sockets.delete(near));
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => one.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("No port is free");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${address.port}`;
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    cut,
    freeze() {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    restore() {
      isCut = isFrozen = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      cut();
      await once(server.close(), "close");
    },
  };
}
