-- The tables of the secure mailbox. Ids are UUIDv7 made by the server; times come from its clock, never from now().
-- Everything a message says sits in `bytea` columns behind seal() and open(); what stands in the clear is what the
-- server must find, count or order by. Message tables carry no foreign keys: they are written and swept in sets that
-- keep them whole, and key locks on hot rows would queue senders behind one another.

create table accounts (
  id uuid primary key,
  user_id text not null unique,
  password_hash text not null,
  kind text not null check (kind in ('MEMBER', 'PROVIDER', 'BROKER', 'EMPLOYER', 'EMPLOYEE', 'ADMINISTRATOR')),
  display_name text not null,
  address text not null unique,
  created_at timestamptz not null,
  last_signed_in_at timestamptz,
  disabled_at timestamptz
);

create table sessions (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  token_hash bytea not null unique,
  client text not null,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index sessions_account on sessions (account_id, id desc);
create index sessions_expiry on sessions (expires_at);

-- `last_sequence` numbers the mailbox's events without a gap; `unread_count` counts unread copies in its INBOX.
create table mailboxes (
  id uuid primary key,
  address text not null unique,
  kind text not null check (kind in ('PERSON', 'TEAM', 'ORGANISATION')),
  display_name text not null,
  created_at timestamptz not null,
  last_sequence bigint not null default 0,
  unread_count integer not null default 0
) with (fillfactor = 50);

-- The organisation's own stream: events that belong to no mailbox. It has no holder and no address that could receive.
insert into mailboxes (id, address, kind, display_name, created_at)
values ('00000000-0000-0000-0000-000000000000', 'organisation', 'ORGANISATION', 'Organisation', '2026-01-01T00:00:00Z');

create table mailbox_holders (
  mailbox_id uuid not null references mailboxes (id),
  account_id uuid not null references accounts (id),
  role text not null check (role in ('OWNER', 'WRITER', 'READER')),
  granted_by uuid references accounts (id),
  created_at timestamptz not null,
  ends_at timestamptz,
  primary key (mailbox_id, account_id)
);
create index mailbox_holders_account on mailbox_holders (account_id);

create table messages (
  id uuid primary key,
  thread_id uuid not null,
  author_id uuid not null,
  from_mailbox_id uuid not null,
  on_behalf_of uuid,
  priority smallint not null,
  in_reply_to uuid,
  forwarded_from uuid,
  sent_at timestamptz not null,
  expires_at timestamptz not null,
  body bytea not null
);
alter table messages alter column body set storage external;
create index messages_expiry on messages (expires_at);

-- To whom a message is addressed, and what became of it there: the delivery.
create table recipients (
  message_id uuid not null,
  n integer not null,
  kind text not null check (kind in ('TO', 'CC')),
  address text not null,
  mailbox_id uuid not null,
  route text not null check (route in ('PORTAL', 'TLS_LINE')),
  status text not null check (status in ('SENT', 'NOTIFIED', 'DELIVERED', 'OPENED', 'EXPIRED', 'FAILED')),
  updated_at timestamptz not null,
  primary key (message_id, n)
);

-- One mailbox's own record of a message. It carries all that a list row needs, so that a page is one index range.
create table copies (
  mailbox_id uuid not null,
  id uuid not null,
  message_id uuid not null,
  thread_id uuid not null,
  from_mailbox_id uuid not null,
  folder text not null check (folder in ('INBOX', 'SENT', 'ARCHIVE', 'TRASH')),
  priority smallint not null,
  attachment_count smallint not null,
  opened_at timestamptz,
  read_at timestamptz,
  flagged_at timestamptz,
  sent_at timestamptz not null,
  expires_at timestamptz not null,
  header bytea not null,
  primary key (mailbox_id, id)
) with (fillfactor = 85);
create index copies_folder on copies (mailbox_id, folder, id desc);
create index copies_thread on copies (mailbox_id, thread_id, id);
create index copies_message on copies (message_id);

create table drafts (
  mailbox_id uuid not null,
  id uuid not null,
  author_id uuid not null,
  reply_to uuid,
  forward_of uuid,
  created_at timestamptz not null,
  saved_at timestamptz not null,
  expires_at timestamptz not null,
  content bytea not null,
  primary key (mailbox_id, id)
);
create index drafts_saved on drafts (mailbox_id, saved_at desc, id desc);
create index drafts_expiry on drafts (expires_at);
create index drafts_reply_to on drafts (reply_to) where reply_to is not null;
create index drafts_forward_of on drafts (forward_of) where forward_of is not null;

-- A file: in flight until `stored_at`, then waiting, then bound to a draft or a message. Several may share one blob.
create table attachments (
  id uuid primary key,
  blob_id uuid not null,
  uploaded_by uuid not null,
  message_id uuid,
  draft_id uuid,
  position smallint not null default 0,
  size bigint not null default 0,
  header bytea,
  created_at timestamptz not null,
  stored_at timestamptz
);
create index attachments_message on attachments (message_id, position) where message_id is not null;
create index attachments_draft on attachments (draft_id, position) where draft_id is not null;
create index attachments_waiting on attachments (created_at) where message_id is null and draft_id is null;
create index attachments_uploader on attachments (uploaded_by) where message_id is null;
create index attachments_blob on attachments (blob_id);

-- Blobs that no attachment names any more: a job removes the bytes, then the row.
create table released_blobs (
  blob_id uuid primary key,
  released_at timestamptz not null
);

-- The ledger: audit, change feed and (with outbox) the source of every follow-up. Append-only; ids and codes only.
create table events (
  mailbox_id uuid not null,
  sequence bigint not null,
  id uuid not null,
  at timestamptz not null,
  action text not null,
  actor_id uuid,
  subject_id uuid,
  message_id uuid,
  code text,
  primary key (mailbox_id, sequence)
);

create table outbox (
  event_id uuid primary key,
  action text not null,
  mailbox_id uuid not null,
  subject_id uuid,
  message_id uuid
);

create table idempotency_keys (
  account_id uuid not null,
  key text not null,
  operation text not null,
  input_hash bytea not null,
  mailbox_id uuid,
  copy_id uuid,
  created_at timestamptz not null,
  primary key (account_id, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);
