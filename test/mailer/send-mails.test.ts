import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { DAY, HOUR, MINUTE, SECOND } from "../../src/clock.ts";
import type { MailSettings } from "../../src/config.ts";
import type { Ctx } from "../../src/context.ts";
import { isDead, reviveAddress } from "../../src/mailer/dead-addresses.ts";
import { Language } from "../../src/mailer/language.ts";
import type { MailOutcome } from "../../src/mailer/mail-outcome.ts";
import { type OutgoingMail, queueMail } from "../../src/mailer/queue-mail.ts";
import { sendMails } from "../../src/mailer/send-mails.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { type Reply, SmtpSink, type SinkOptions } from "../support/smtp-sink.ts";

interface MailRow {
  readonly id: string;
  readonly attempts: number;
  readonly next_at: Date | null;
  readonly sent_at: Date | null;
  readonly failed_at: Date | null;
  readonly failure: string | null;
}

let app: TestApp;
let sinks: SmtpSink[] = [];
let children: ChildProcess[] = [];
/** What the outcomes heard, in order. */
let heard: unknown[] = [];

const outcome: MailOutcome = {
  async sent(_ctx, mails) {
    heard.push(...mails.map(({ id, kind }) => ["sent", id, kind]));
  },
  async failed(_ctx, { id, address }, reason) {
    heard.push(["failed", id, address, reason]);
  },
};

beforeAll(async () => {
  app = await startTestApp({ limits: { mailSeconds: 10 } });
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  for (const sink of sinks) await sink.close();
  sinks = [];
  children = [];
  heard = [];
  await app.owner.query("delete from mails");
  await app.owner.query("delete from dead_addresses");
  app.clock.moveTo(START);
});

afterAll(() => app.close());

async function sinkOf(options?: SinkOptions): Promise<SmtpSink> {
  const sink = await SmtpSink.start(options);
  sinks.push(sink);
  return sink;
}

function queue(address = "maria@home.example", more: Partial<OutgoingMail<"validation-code">> = {}): Promise<string> {
  const data = { code: "483920", url: "http://localhost/?validate=abc", minutes: 15 };
  return queueMail(app.ctx(), { kind: "validation-code", address, language: Language.EN, data, ...more });
}

/** The server's own context, with mail that goes there. */
function ctxTo(mail: MailSettings, mailSeconds = 10): Ctx {
  const ctx = app.ctx();
  return { ...ctx, config: { ...ctx.config, mail, limits: { ...ctx.config.limits, mailSeconds } } };
}

function send(to: SmtpSink | MailSettings, stop = new AbortController().signal, graceMs?: number): Promise<void> {
  return sendMails(ctxTo(to instanceof SmtpSink ? to.settings : to), stop, [outcome], graceMs);
}

async function row(id: string): Promise<MailRow | undefined> {
  const { rows } = await app.owner.query<MailRow>("select id, attempts, next_at, sent_at, failed_at, failure from mails where id = $1", [id]);
  return rows[0];
}

const afterStart = (milliseconds: number): Date => new Date(START.getTime() + milliseconds);

describe("a mail that is due", () => {
  test("is sent over TLS, marked, and its outcome told once", async () => {
    const sink = await sinkOf();
    const id = await queue();
    await send(sink);
    await send(sink);
    expect(sink.mails).toMatchObject([{ from: "no-reply@insurer.example", to: ["maria@home.example"], isEncrypted: true }]);
    expect(await row(id)).toMatchObject({ attempts: 1, next_at: null, sent_at: START, failed_at: null });
    expect(heard).toEqual([["sent", id, "validation-code"]]);
  });

  test("says by its headers that a machine wrote it, when, to whom alone, and nothing about our programs", async () => {
    const sink = await sinkOf();
    const id = await queue();
    await send(sink);
    const [mail] = await sink.parsed();
    const header = (name: string) => mail?.headerLines.filter(({ key }) => key === name).map(({ line }) => line);
    expect(header("to")).toEqual(["To: maria@home.example"]);
    expect(header("from")).toEqual(["From: Example Health <no-reply@insurer.example>"]);
    expect(header("message-id")).toEqual([`Message-ID: <${id}@localhost>`]);
    expect(header("date")).toEqual(["Date: Mon, 02 Mar 2026 09:00:00 +0000"]);
    expect(header("auto-submitted")).toEqual(["Auto-Submitted: auto-generated"]);
    expect(header("x-auto-response-suppress")).toEqual(["X-Auto-Response-Suppress: All"]);
    for (const name of ["cc", "bcc", "precedence", "x-mailer", "sender", "reply-to", "return-path"]) expect(header(name)).toEqual([]);
    expect(mail?.attachments).toEqual([]);
  });

  test("goes over few connections, several at once, whatever their number", async () => {
    const sink = await sinkOf();
    const ids = await Promise.all(Array.from({ length: 40 }, (_, n) => queue(`person${n}@home.example`)));
    let atOnce = 0;
    let most = 0;
    const allAtWork = Promise.withResolvers<void>();
    sink.onMail = async () => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      if (atOnce === 4) allAtWork.resolve();
      await allAtWork.promise;
      atOnce -= 1;
      return undefined;
    };
    await send(sink);
    expect(new Set((await sink.parsed()).map(({ messageId }) => messageId))).toEqual(new Set(ids.map((id) => `<${id}@localhost>`)));
    expect(sink.mails).toHaveLength(40);
    expect(sink.connections).toBeLessThanOrEqual(4);
    expect(most).toBe(4);
  });

  test("is sent once though two processes and two jobs of one look for it", async () => {
    const sink = await sinkOf();
    const other = await startTestApp({ beside: app });
    try {
      await Promise.all(Array.from({ length: 30 }, (_, n) => queue(`person${n}@home.example`)));
      const otherCtx = { ...other.ctx(), config: ctxTo(sink.settings).config };
      await Promise.all([send(sink), send(sink), sendMails(otherCtx, new AbortController().signal, [outcome])]);
      await send(sink);
      expect(sink.mails.map(({ to }) => to[0]).toSorted()).toEqual(Array.from({ length: 30 }, (_, n) => `person${n}@home.example`).toSorted());
    } finally {
      await other.close();
    }
  });

  test("that comes while another is on its way is not left for the next minute", async () => {
    const sink = await sinkOf();
    const first = await queue("slow@home.example");
    const held = Promise.withResolvers<void>();
    sink.onMail = async ({ to }) => {
      if (to[0] === "slow@home.example") await held.promise;
      return undefined;
    };
    const sending = send(sink);
    await eventually(() => expect(sink.senders).toHaveLength(1));
    const second = await queue("quick@home.example");
    await send(sink); // Returns at once: the first call goes on with it
    await eventually(async () => expect(await row(second)).toMatchObject({ sent_at: START }));
    expect(await row(first)).toMatchObject({ sent_at: null });
    held.resolve();
    await sending;
    expect(await row(first)).toMatchObject({ sent_at: START });
  });

  test("waits where nothing says how to send", async () => {
    const id = await queue();
    await send({ ...(await sinkOf()).settings, smtp: null });
    expect(await row(id)).toMatchObject({ attempts: 0, next_at: START });
  });

  test("is signed in for, and a wrong password is the operator's fault, not the address's", async () => {
    const sink = await sinkOf({ login: { user: "mailbox", password: "p@ss:word/1" } });
    const id = await queue();
    const { smtp } = sink.settings;
    if (smtp === null) throw new Error("There is no server");
    await send({ ...sink.settings, smtp: { ...smtp, login: { user: "mailbox", password: "wrong" } } });
    expect(await row(id)).toMatchObject({ attempts: 1, next_at: afterStart(MINUTE), failed_at: null });
    expect(sink.senders).toEqual([]);
    app.clock.advance(MINUTE);
    await send(sink);
    expect(sink.mails).toHaveLength(1);
  });
});

describe("a mail that is refused for now", () => {
  test("is tried after a minute and then ever later, up to four hours, for three days", async () => {
    const sink = await sinkOf();
    sink.onRecipient = () => "451 4.7.1 Greylisted, try again later";
    const id = await queue();
    const pauses: number[] = [];
    for (let mail = await row(id); mail?.next_at; mail = await row(id)) {
      app.clock.moveTo(mail.next_at);
      await send(sink);
      const next = (await row(id))?.next_at;
      if (next) pauses.push((next.getTime() - mail.next_at.getTime()) / MINUTE);
    }
    expect(pauses.slice(0, 10)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
    const failed = await row(id);
    expect(failed).toMatchObject({ failure: "GAVE_UP", sent_at: null });
    expect((failed?.failed_at?.getTime() ?? 0) - START.getTime()).toBeGreaterThan(3 * DAY - 4 * HOUR);
    expect((failed?.failed_at?.getTime() ?? 0) - START.getTime()).toBeLessThanOrEqual(3 * DAY);
    expect(heard).toEqual([["failed", id, "maria@home.example", "GAVE_UP"]]);
    expect(await isDead(app.ctx(), ["maria@home.example"])).toEqual(new Set());
  });

  test("arrives at the next try with the same Message-ID", async () => {
    const sink = await sinkOf();
    const offered: string[] = [];
    sink.onMail = ({ raw }) => {
      offered.push(/^Message-ID: (.*)\r$/m.exec(raw.toString())?.[1] ?? "");
      return offered.length === 1 ? "452 4.3.1 Out of storage" : undefined;
    };
    const id = await queue();
    await send(sink);
    app.clock.advance(59 * SECOND);
    await send(sink);
    expect(sink.mails).toEqual([]);
    app.clock.advance(SECOND);
    await send(sink);
    expect(offered).toEqual([`<${id}@localhost>`, `<${id}@localhost>`]);
    expect(await row(id)).toMatchObject({ attempts: 2, sent_at: afterStart(MINUTE) });
  });

  test("is not sent any more when it is of no use any more", async () => {
    const sink = await sinkOf();
    const until = afterStart(15 * MINUTE);
    const late = await queue("late@home.example", { until });
    app.clock.moveTo(until);
    await send(sink);
    expect(sink.senders).toEqual([]);
    expect(await row(late)).toMatchObject({ failure: "GAVE_UP" });
    const timely = await queue("timely@home.example", { until: afterStart(16 * MINUTE) });
    await send(sink);
    expect(await row(timely)).toMatchObject({ failure: null, sent_at: until });
  });

  test("holds up no other: who is refused waits, the rest goes", async () => {
    const sink = await sinkOf();
    sink.onRecipient = (address) => (address.startsWith("full") ? "452 4.2.2 Mailbox full" : undefined);
    const full = await Promise.all([1, 2, 3, 4, 5].map((n) => queue(`full${n}@home.example`)));
    await queue("maria@home.example");
    await send(sink);
    expect(sink.mails.map(({ to }) => to)).toEqual([["maria@home.example"]]);
    for (const id of full) expect(await row(id)).toMatchObject({ attempts: 1, next_at: afterStart(MINUTE) });
  });
});

describe("a mail that is refused for good", () => {
  test.each([
    ["nobody is there", "550 5.1.1 No such user", "5.1.1", true],
    ["nobody is there, in the words of old servers", "550 No such user here", "550", true],
    ["the mailbox is closed", "550 5.2.1 Mailbox disabled", "5.2.1", true],
    ["the mailbox is full", "552 5.2.2 Over quota", "5.2.2", false],
    ["somebody has a rule against us", "550 5.7.1 Rejected by policy", "5.7.1", false],
    ["our own sender is not liked", "550 5.1.8 Bad sender's system address", "5.1.8", false],
  ])("fails at once where %s", async (_why, reply, code, isGone) => {
    const sink = await sinkOf();
    sink.onRecipient = (address) => (address === "maria@home.example" ? reply : undefined);
    const id = await queue();
    const other = await queue("peter@home.example");
    await send(sink);
    expect(await row(id)).toMatchObject({ attempts: 1, next_at: null, sent_at: null, failed_at: START, failure: "REFUSED" });
    expect(await row(other)).toMatchObject({ sent_at: START });
    expect(heard).toContainEqual(["failed", id, "maria@home.example", "REFUSED"]);
    const { rows } = await app.owner.query("select address, since, code from dead_addresses");
    expect(rows).toEqual(isGone ? [{ address: "maria@home.example", since: START, code }] : []);
    expect(await isDead(app.ctx(), ["maria@home.example", "peter@home.example"])).toEqual(new Set(isGone ? ["maria@home.example"] : []));
    await reviveAddress(app.ctx(), "maria@home.example");
    expect(await isDead(app.ctx(), ["maria@home.example"])).toEqual(new Set());
  });

  test("after it came whole fails, too, and says nothing about the address", async () => {
    const sink = await sinkOf();
    sink.onMail = () => "554 5.6.0 We do not like it";
    const id = await queue();
    await send(sink);
    expect(await row(id)).toMatchObject({ failure: "REFUSED" });
    expect(await isDead(app.ctx(), ["maria@home.example"])).toEqual(new Set());
  });

  test("because our sender or our whole server is refused waits: that is for an operator to mend", async () => {
    const sink = await sinkOf({
      server: { onMailFrom: (_address, _session, done) => done(Object.assign(new Error("5.7.1 Who are you?"), { responseCode: 550 })) },
    });
    const id = await queue();
    await send(sink);
    expect(await row(id)).toMatchObject({ attempts: 1, failed_at: null, next_at: afterStart(MINUTE) });
    expect(app.logged.filter((line) => line.includes("a mail could not be sent")).at(-1)).toContain('"responseCode":550');
  });
});

describe("a mail server that is away", () => {
  test("costs a few mails a try, not all; they go when it is back", async () => {
    const sink = await sinkOf();
    const { smtp } = sink.settings;
    if (smtp === null) throw new Error("There is no server");
    const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => queue(`person${n}@home.example`)));
    await send({ ...sink.settings, smtp: { ...smtp, port: 1 } });
    const attempts = await Promise.all(ids.map(async (id) => (await row(id))?.attempts ?? 0));
    expect(Math.max(...attempts)).toBe(1);
    expect(attempts.filter((count) => count > 0).length).toBeLessThanOrEqual(4);
    app.clock.advance(MINUTE);
    await send(sink);
    expect(sink.mails).toHaveLength(20);
  });

  test("that breaks off before it took a mail gets it again, with the same Message-ID", async () => {
    const sink = await sinkOf();
    const offered: string[] = [];
    sink.onMail = ({ raw }) => {
      offered.push(/^Message-ID: (.*)\r$/m.exec(raw.toString())?.[1] ?? "");
      if (offered.length > 1) return undefined;
      sink.drop();
      return "421 Closing";
    };
    const id = await queue();
    await send(sink);
    expect(await row(id)).toMatchObject({ attempts: 1, sent_at: null, next_at: afterStart(MINUTE) });
    app.clock.advance(MINUTE);
    await send(sink);
    expect(offered).toEqual([`<${id}@localhost>`, `<${id}@localhost>`]);
    expect(await row(id)).toMatchObject({ sent_at: afterStart(MINUTE) });
  });

  test("that breaks off right after it took a mail does not get it again", async () => {
    const sink = await sinkOf();
    sink.breaksOff = true;
    const id = await queue();
    await send(sink);
    expect(await row(id)).toMatchObject({ sent_at: START });
    app.clock.advance(HOUR);
    await send(sink);
    expect(sink.mails).toHaveLength(1);
  });

  test("that says nothing is left within the time of one conversation, well below the lease", async () => {
    const sink = await sinkOf();
    const stalled = Promise.withResolvers<undefined>();
    sink.onMail = () => stalled.promise;
    const id = await queue();
    const begun = performance.now();
    await sendMails(ctxTo(sink.settings, 1), new AbortController().signal, [outcome]);
    expect(performance.now() - begun).toBeLessThan(4 * SECOND);
    expect(await row(id)).toMatchObject({ attempts: 1, sent_at: null, next_at: afterStart(MINUTE) });
    stalled.resolve(undefined);
  });
});

describe("a worker that is told to stop", () => {
  test("lets the mail on its way arrive, marks it and takes no other", async () => {
    const sink = await sinkOf();
    const stop = new AbortController();
    const held = Promise.withResolvers<undefined>();
    sink.onMail = () => held.promise;
    const ids = await Promise.all(Array.from({ length: 10 }, (_, n) => queue(`person${n}@home.example`)));
    const sending = send(sink, stop.signal);
    await eventually(() => expect(sink.senders).toHaveLength(4));
    stop.abort();
    held.resolve(undefined);
    await sending;
    const rows = await Promise.all(ids.map(row));
    expect(rows.filter((mail) => mail?.sent_at)).toHaveLength(4);
    expect(rows.filter((mail) => mail?.attempts === 0)).toHaveLength(6);
  });

  test("does not wait for a server that says nothing; the mail goes later with the same Message-ID", async () => {
    const sink = await sinkOf();
    const stop = new AbortController();
    const stalled = Promise.withResolvers<undefined>();
    sink.onMail = () => stalled.promise;
    const id = await queue();
    const sending = send(sink, stop.signal, 50);
    await eventually(() => expect(sink.senders).toHaveLength(1));
    stop.abort();
    await sending;
    expect(await row(id)).toMatchObject({ sent_at: null, next_at: afterStart(MINUTE) });
    stalled.resolve(undefined);
  });
});

describe("a worker that is killed", () => {
  test("before the server took the mail loses nothing: it goes when the lease is over", async () => {
    const sink = await sinkOf();
    const id = await queue();
    const child = await startSender(sink);
    const taken = Promise.withResolvers<void>();
    const dead = Promise.withResolvers<Reply>();
    sink.onMail = () => {
      taken.resolve();
      return dead.promise;
    };
    child.stdin?.write("go\n");
    await taken.promise;
    await kill(child);
    dead.resolve("451 4.3.0 Gone");
    sink.onMail = () => undefined;
    await send(sink);
    expect(sink.mails).toEqual([]); // The lease still runs: it may be on its way
    app.clock.advance(5 * MINUTE);
    await send(sink);
    expect((await sink.parsed()).map(({ messageId }) => messageId)).toEqual([`<${id}@localhost>`]);
    expect(await row(id)).toMatchObject({ attempts: 2, sent_at: afterStart(5 * MINUTE) });
  });

  test("between the server's 250 and its own mark sends it again under the same Message-ID, which is all that can be done", async () => {
    const sink = await sinkOf();
    const id = await queue();
    const child = await startSender(sink);
    const lock = await app.owner.connect();
    try {
      sink.onMail = async () => {
        await lock.query("begin");
        await lock.query("select from mails where id = $1 for update", [id]);
        return undefined;
      };
      child.stdin?.write("go\n");
      await eventually(async () => {
        const { rows } = await app.owner.query("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'");
        expect(rows).toHaveLength(1);
      });
      await kill(child);
      await lock.query("rollback");
    } finally {
      lock.release();
    }
    expect(await row(id)).toMatchObject({ attempts: 1, sent_at: null });
    sink.onMail = () => undefined;
    app.clock.advance(5 * MINUTE);
    await send(sink);
    expect((await sink.parsed()).map(({ messageId }) => messageId)).toEqual([`<${id}@localhost>`, `<${id}@localhost>`]);
    expect(await row(id)).toMatchObject({ attempts: 2, sent_at: afterStart(5 * MINUTE) });
  });

  test("not at all sends everything and ends", async () => {
    const sink = await sinkOf();
    await queue();
    const child = await startSender(sink);
    child.stdin?.write("go\n");
    if (child.stdout) await once(child.stdout, "data");
    expect(sink.mails).toHaveLength(1);
  });

  /** A process that begins to send when it is told to. */
  async function startSender(sink: SmtpSink): Promise<ChildProcess> {
    const script = path.join(import.meta.dirname, "..", "support", "mail-sender.ts");
    const child = spawn(process.execPath, ["--import", "tsx", script, app.databaseUrl, app.dataDir, app.clock.now().toISOString()], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...sink.environment },
    });
    children.push(child);
    await once(child.stdout, "data");
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    expect(await exited).toEqual([null, "SIGKILL"]);
  }
});
