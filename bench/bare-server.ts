import "reflect-metadata";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { Pool, types } from "pg";
import { before, DAY, MINUTE } from "../src/clock.ts";
import { encodeCursor } from "../src/graphql/connection.ts";
import { encodeId } from "../src/graphql/node-id.ts";
import { firstIdAt } from "../src/ids.ts";
import { RETENTION_DAYS } from "../src/limits.ts";
import { feedCursor } from "../src/mailboxes/mailbox.ts";
import type { CopyHeader } from "../src/messages/copy.ts";
import { priorities } from "../src/messages/message.ts";
import { createKeyedHash } from "../src/vault/keyed-hash.ts";
import type { Opener } from "../src/vault/seal.ts";
import { ownCpu, serve } from "./child.ts";
import { openDataKeys } from "./keys.ts";
import type { ServerOptions } from "./our-server.ts";
import { SECRET_KEY } from "./world.ts";

/** The least that can give the same answer: `node:http`, `pg` and one prepared statement. */
export const commands = {
  async start({ databaseUrl, clockOffset }: ServerOptions): Promise<number> {
    // Without a generic plan PostgreSQL plans this statement anew each time, which costs more than running it.
    const options = "-c timezone=UTC -c plan_cache_mode=force_generic_plan";
    const pool = new Pool({ connectionString: databaseUrl, max: 4, options, types: { getTypeParser } });
    const keyedHash = createKeyedHash(SECRET_KEY);
    const dataKeys = await openDataKeys(databaseUrl, { now: () => new Date(Date.now() + clockOffset) });
    const answer = async (request: IncomingMessage): Promise<string | null> => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { variables }: Body = JSON.parse(Buffer.concat(chunks).toString());
      const now = new Date(Date.now() + clockOffset);
      const { rows } = await pool.query<Row>({
        name: "inbox",
        text: inbox,
        values: [
          keyedHash.hash("session-token", request.headers.authorization?.slice("Bearer ".length) ?? ""),
          now,
          before(now, 60 * MINUTE),
          Buffer.from(variables.mailboxId, "base64url").toString("hex", 1),
          firstIdAt(before(now, RETENTION_DAYS * DAY)),
          variables.first + 1,
        ],
      });
      const opener = await dataKeys.forSealed(rows.map(({ header }) => header));
      return rows[0] === undefined ? null : pageOf(rows[0], rows, variables.first, opener);
    };
    const server = createServer((request, response) => {
      answer(request).then(
        (json) => {
          if (json === null) response.writeHead(401).end();
          else response.writeHead(200, { "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(json) }).end(json);
        },
        (error: Error) => response.writeHead(500).end(error.message),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  },
  cpu: ownCpu,
};

interface Body {
  readonly variables: { readonly mailboxId: string; readonly first: number };
}

interface Row {
  readonly mailboxId: string;
  readonly lastSequence: number;
  readonly unreadCount: number;
  readonly id: string;
  readonly messageId: string;
  readonly threadId: string;
  readonly folder: string;
  readonly priority: number;
  readonly attachmentCount: number;
  readonly readAt: string | null;
  readonly flaggedAt: string | null;
  readonly sentAt: string;
  readonly expiresAt: string;
  readonly header: Buffer;
}

function pageOf(mailbox: Row, rows: Row[], first: number, opener: Opener): string {
  const edges = rows.slice(0, first).map((row) => {
    const { subject, preview, from } = opener.open<CopyHeader>({ id: row.messageId, field: "header" }, row.header);
    return {
      cursor: encodeCursor("message", row.id),
      node: {
        id: encodeId("Message", row.mailboxId, row.id),
        folder: row.folder,
        subject,
        preview,
        priority: priorities[row.priority],
        from: { displayName: from.displayName, address: from.address },
        sentAt: row.sentAt,
        expiresAt: row.expiresAt,
        isRead: row.readAt !== null,
        isFlagged: row.flaggedAt !== null,
        attachmentCount: row.attachmentCount,
        thread: { id: encodeId("Thread", row.mailboxId, row.threadId) },
      },
    };
  });
  const pageInfo = {
    hasNextPage: rows.length > first,
    hasPreviousPage: false,
    startCursor: edges[0]?.cursor ?? null,
    endCursor: edges.at(-1)?.cursor ?? null,
  };
  const { unreadCount } = mailbox;
  const page = {
    data: { mailbox: { id: encodeId("Mailbox", mailbox.mailboxId), unreadCount, cursor: feedCursor(mailbox.lastSequence), messages: { edges, pageInfo } } },
    extensions: { cost: { requested: 1 + first * 6, limit: 5000 } },
  };
  return `${JSON.stringify(page)}\n`; // Apollo ends with a line feed
}

const TIMESTAMPTZ: number = types.builtins.TIMESTAMPTZ;
const INT8: number = types.builtins.INT8;

/** Times stay text: PostgreSQL's needs only a few characters changed to be ISO 8601 with milliseconds. */
function getTypeParser(oid: number, format?: "text" | "binary"): (text: string) => unknown {
  if (oid === TIMESTAMPTZ) return (text) => `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, -3).padEnd(3, "0")}Z`;
  if (oid === INT8) return Number;
  const parse: (text: string) => unknown = types.getTypeParser(oid, format);
  return parse;
}

const inbox = `with mailbox as materialized (
    select m.id, m.last_sequence, m.unread_count - (
        select count(*)::int from copies c where c.mailbox_id = m.id and c.folder = 'INBOX' and c.id <= $5 and c.expires_at <= $2 and c.read_at is null
      ) as unread_count
    from sessions s join accounts a on a.id = s.account_id
    join mailbox_holders h on h.account_id = a.id join mailboxes m on m.id = h.mailbox_id
    where s.token_hash = $1 and s.revoked_at is null and s.expires_at > $2 and s.last_used_at > $3 and a.disabled_at is null
      and h.mailbox_id = $4::uuid and (h.ends_at is null or h.ends_at > $2)
  )
  select m.id as "mailboxId", m.last_sequence as "lastSequence", m.unread_count as "unreadCount", c.id, c.message_id as "messageId", c.thread_id as "threadId",
         c.folder, c.priority, c.attachment_count as "attachmentCount", c.read_at as "readAt", c.flagged_at as "flaggedAt", c.sent_at as "sentAt",
         c.expires_at as "expiresAt", c.header
  from mailbox m left join lateral (
    select * from copies where mailbox_id = m.id and folder = 'INBOX' and expires_at > $2 order by id desc limit $6
  ) c on true`;

serve(commands);
