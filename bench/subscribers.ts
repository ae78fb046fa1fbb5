import { once } from "node:events";
import { WebSocket } from "ws";
import { monotonic, serve } from "./child.ts";

/** Who subscribes to what, from which cursor on. */
export interface Subscriber {
  readonly token: string;
  readonly mailboxId: string;
  readonly after: string;
}

const AT_ONCE = 50;
const DEADLINE_MS = 30_000;

/** When each event with a subject came in. */
const arrivals = new Map<string, number[]>();
let arrived: (() => void) | null = null;

/** Subscribers in a process of their own, each on its own socket; they speak graphql-transport-ws themselves, to be light. */
export const commands = {
  /** Connects all, and resolves when each has got its first event, the one after its cursor. */
  async connect({ port, query, subscribers }: { port: number; query: string; subscribers: readonly Subscriber[] }): Promise<void> {
    const waiting = [...subscribers];
    const connectNext = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) await connect(port, query, next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, connectNext));
  },
  /** Waits until so many events with this subject have come in and tells when they did. */
  async arrivals({ subject, count }: { subject: string; count: number }): Promise<number[]> {
    const ends = monotonic() + DEADLINE_MS;
    for (;;) {
      const times = arrivals.get(subject) ?? [];
      if (times.length >= count) return times;
      if (monotonic() > ends) throw new Error(`Only ${times.length} of ${count} events came in`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  },
};

interface Frame {
  readonly type: string;
  readonly payload?: { readonly data?: { readonly mailboxChanged: { readonly message?: { readonly subject: string } } } };
}

async function connect(port: number, query: string, { token, mailboxId, after }: Subscriber): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, "graphql-transport-ws", { perMessageDeflate: false });
  const first = Promise.withResolvers<void>();
  socket.on("error", first.reject);
  socket.on("close", (code) => first.reject(new Error(`A socket was closed with ${code}`)));
  socket.on("message", (data: Buffer) => {
    const at = monotonic();
    const frame: Frame = JSON.parse(data.toString());
    if (frame.type === "connection_ack") {
      socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query, variables: { mailboxId, after } } }));
    } else if (frame.type === "next") {
      const subject = frame.payload?.data?.mailboxChanged.message?.subject ?? "";
      arrivals.set(subject, [...(arrivals.get(subject) ?? []), at]);
      first.resolve();
      arrived?.();
    } else if (frame.type !== "ping") {
      first.reject(new Error(`A subscription was answered with ${data.toString()}`));
    }
  });
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${token}` } }));
  await first.promise;
}

serve(commands);
