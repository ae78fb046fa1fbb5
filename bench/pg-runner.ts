import { Client } from "pg";
import { serve } from "./child.ts";
import { VARIABLES } from "./send-script.ts";
import { CLERK_HOLDS, type Size } from "./world.ts";

/** What the runner is asked for. */
export interface Run {
  readonly databaseUrl: string;
  readonly size: Size;
  readonly clients: number;
  readonly seconds: number;
  readonly writes: readonly string[];
}

/** Runs a transaction over and over as pgbench would, where that is not installed: prepared statements over `pg`. */
export const commands = {
  async run({ databaseUrl, size, clients, seconds, writes }: Run): Promise<{ count: number; perSecond: number }> {
    const connections = await Promise.all(
      Array.from({ length: clients }, async () => {
        const client = new Client({ connectionString: databaseUrl });
        await client.connect();
        return client;
      }),
    );
    const statements = writes.map((write, n) => ({ name: `write-${n}`, ...numbered(write) }));
    let count = 0;
    const began = performance.now();
    await Promise.all(
      connections.map(async (client) => {
        while (performance.now() - began < seconds * 1000) {
          const values = {
            sender: chosenBelow(CLERK_HOLDS) * Math.floor(size.mailboxes / CLERK_HOLDS),
            receiver: chosenBelow(size.mailboxes),
            n: chosenBelow(2 ** 48),
          };
          await client.query("begin");
          for (const { name, text, used } of statements) await client.query({ name, text, values: used.map((variable) => values[variable]) });
          await client.query("commit");
          count += 1;
        }
      }),
    );
    const perSecond = count / ((performance.now() - began) / 1000);
    await Promise.all(connections.map((client) => client.end()));
    return { count, perSecond };
  },
};

/** Turns `:name` into `$n`, and lists the names in that order. */
function numbered(write: string): { text: string; used: (typeof VARIABLES)[number][] } {
  const used = VARIABLES.filter((name) => new RegExp(`(?<!:):${name}\\b`).test(write));
  return { text: used.reduce((text, name, n) => text.replace(new RegExp(`(?<!:):${name}\\b`, "g"), `$${n + 1}`), write), used };
}

function chosenBelow(limit: number): number {
  return Math.floor(Math.random() * limit);
}

serve(commands);
