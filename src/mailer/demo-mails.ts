import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";

/** So many of the demo's last mails are kept. */
export const MOST_DEMO_MAILS = 500;

/** A mail of the demo, as its page lists it. */
export interface DemoMail {
  readonly id: string;
  readonly address: string;
  readonly subject: string;
  readonly sentAt: Date;
}

/** Keeps a mail that goes nowhere. The oldest give way. */
export async function keepDemoMail(ctx: Ctx, { id, address, subject, raw }: { id: string; address: string; subject: string; raw: Buffer }): Promise<void> {
  await inTransaction(ctx, async ({ db, clock }) => {
    await db.run(keep, [id, address, subject, clock.now(), raw]);
    await db.run(makeRoom, [MOST_DEMO_MAILS]);
  });
}

/** All mails of the demo, newest first. */
export async function demoMails({ db }: Ctx): Promise<DemoMail[]> {
  return db.run(newest, [MOST_DEMO_MAILS]);
}

/** One of them, as it would have gone over the wire; null if there is none. */
export async function demoMail({ db }: Ctx, id: string): Promise<(DemoMail & { readonly raw: Buffer }) | null> {
  const [mail] = await db.run(byId, [id]);
  return mail ?? null;
}

const keep = statement(
  "demo-mail-keep",
  `insert into demo_mails (id, address, subject, sent_at, raw) values ($1, $2, $3, $4, $5)
   on conflict (id) do update set sent_at = excluded.sent_at, raw = excluded.raw`,
);

const makeRoom = statement("demo-mail-make-room", "delete from demo_mails where id <= (select id from demo_mails order by id desc offset $1 limit 1)");

const newest = statement<DemoMail>("demo-mails", `select id, address, subject, sent_at as "sentAt" from demo_mails order by id desc limit $1`);

const byId = statement<DemoMail & { raw: Buffer }>("demo-mail", `select id, address, subject, sent_at as "sentAt", raw from demo_mails where id = $1`);
