import { execFile } from "node:child_process";
import { cpus } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { openDatabase } from "./database.ts";
import { measureExpiry } from "./expiry.ts";
import { measureInbox } from "./inbox.ts";
import { measureLive } from "./live.ts";
import { measureSearch } from "./search.ts";
import { measureSends } from "./sends.ts";
import { readSettings } from "./settings.ts";

/** `npm run bench`: measures our server beside bare peers and prints tables. Slow figures are figures; only errors fail it. */
async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const { size, seconds, rounds } = settings;
  await build();
  const database = await openDatabase(size, (line) => console.error(line));
  try {
    console.log(
      `${size.messages.toLocaleString("en")} messages in ${size.mailboxes.toLocaleString("en")} mailboxes; Node ${process.versions.node}, ` +
        `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}; medians of ${rounds} rounds of ${seconds} s. CPU is per request.`,
    );
    for (const [title, measure] of chosen(process.argv.slice(2))) console.log(`\n${title}\n\n${await measure(database, settings)}`);
  } finally {
    await database.stop();
  }
}

/** Compiles our server as production runs it: what runs TypeScript directly makes code that is some percent slower. */
async function build(): Promise<void> {
  const root = path.join(import.meta.dirname, "..");
  const compiler = path.join(root, "node_modules", "typescript", "bin", "tsc");
  await promisify(execFile)(process.execPath, [compiler, "-p", "tsconfig.build.json"], { cwd: root }).catch(({ stdout }: { stdout?: string }) => {
    throw new Error(`The server does not compile:\n${stdout ?? ""}`);
  });
}

const measurements = {
  inbox: ["Inbox page of 25, beside a bare handler that gives the same bytes from one prepared statement", measureInbox],
  sends: ["Sending to one recipient, beside the same writes without a server", measureSends],
  expiry: ["Sweeping what has expired, while inbox pages are read at a steady pace", measureExpiry],
  search: ["Searching one large mailbox, beside inbox pages of the same", measureSearch],
  live: ["Live: one socket a subscriber, each on a mailbox of its own, all in one process", measureLive],
} as const;

/** All measurements, or those that are named. */
function chosen(names: string[]) {
  const unknown = names.filter((name) => !(name in measurements));
  if (unknown.length > 0) throw new Error(`There is ${Object.keys(measurements).join(", ")} to measure, not ${unknown.join(", ")}`);
  return Object.entries(measurements)
    .filter(([name]) => names.length === 0 || names.includes(name))
    .map(([, measurement]) => measurement);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
