// A process of its own that expires what is due in a database, in batches as small as they can be, until it is killed:
// node --import tsx test/support/expirer.ts <database URL> <data folder> <the time it is>. Begins when told so on stdin.
import { startApp } from "../../src/app.ts";
import { MovableClock } from "../../src/clock.ts";
import { createCtx } from "../../src/context.ts";
import { createLog } from "../../src/log.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { testConfig } from "./app.ts";

const [databaseUrl = "", dataDir = "", now = ""] = process.argv.slice(2);
const { services } = await startApp(testConfig({ databaseUrl, dataDir, parts: [] }), { clock: new MovableClock(new Date(now)), log: createLog("silent") });
process.stdin.once("data", () => void expireMessages(createCtx(services), { messages: 2, copies: 3 }));
process.stdout.write("ready\n");
