-- Mail that somebody takes along: what they selected, how far its archive is, and until when it can be downloaded.
-- The archive itself is a sealed blob. A new try writes a blob of its own, so a worker that was given up changes nothing.
create table exports (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  mailbox_ids uuid[] not null,
  thread_id uuid,
  copy_ids uuid[],
  message_count integer not null,
  done_count integer not null default 0,
  requested_at timestamptz not null,
  started_at timestamptz,
  attempts smallint not null default 0,
  leased_until timestamptz,
  blob_id uuid,
  ready_at timestamptz,
  expires_at timestamptz,
  size bigint,
  sha256 bytea,
  header bytea,
  failed_at timestamptz,
  failure text
);
create index exports_account on exports (account_id, requested_at);
create index exports_due on exports (requested_at) where ready_at is null and failed_at is null;
create index exports_age on exports (requested_at) where ready_at is not null or failed_at is not null;
create index exports_expiry on exports (expires_at) where blob_id is not null;

-- A key is no longer kept for messages alone.
alter table idempotency_keys rename column copy_id to result_id;
