-- Holds keep messages beyond their day; warnings say when that comes; tombstones are what remains afterwards (docs/retention.md).

-- Who keeps what, why and until when. A hold is on one message or on all messages of a thread; `mailbox_id` and `copy_id`
-- say by which id it was named. Rows stay as a record; the note goes when the hold ends, for it is sealed under its key.
create table holds (
  id uuid primary key,
  reason text not null check (reason in ('APPEAL', 'LEGAL')),
  mailbox_id uuid not null,
  copy_id uuid,
  message_id uuid,
  thread_id uuid,
  note bytea,
  placed_by uuid not null references accounts (id),
  placed_at timestamptz not null,
  until timestamptz not null,
  ended_at timestamptz,
  lifted_by uuid references accounts (id),
  key_destroyed_at timestamptz,
  check (num_nonnulls(message_id, thread_id) = 1 and (copy_id is null) = (message_id is null)),
  check (ended_at is not null or (lifted_by is null and key_destroyed_at is null))
);
create index holds_placed on holds (placed_by, id desc);
create index holds_message on holds (message_id) where message_id is not null;
create index holds_thread on holds (thread_id) where thread_id is not null;
create index holds_in_force on holds (id desc) where ended_at is null;
create index holds_ending on holds (id) where ended_at is not null and key_destroyed_at is null;

-- The hold under whose key a message is sealed: of those in force, the one that lasts longest.
alter table messages add column held_by uuid;
create index messages_held on messages (held_by) where held_by is not null;
create index messages_thread on messages (thread_id);

-- Until when holds keep a copy from being deleted. `expires_at` is that or the message's own day, whichever is later.
alter table copies add column held_until timestamptz;

-- How far warnings have gone: every message up to this expiry, and of that very instant up to this id, was warned of so
-- many days before. What is there already is warned of once, at the nearest distance.
create table expiry_warnings (
  days_before smallint primary key,
  warned_through timestamptz not null,
  warned_id uuid not null
);
insert into expiry_warnings (days_before, warned_through, warned_id)
select days, 'epoch', '00000000-0000-0000-0000-000000000000' from unnest(array[30, 7, 1]) as days;

-- The event of a copy that went is its tombstone: with whom the message was exchanged, which way, and when it was opened.
alter table events add column counterpart_id uuid;
alter table events add column was_sent boolean;
alter table events add column opened_at timestamptz;
create index events_tombstones on events (mailbox_id, sequence desc) where counterpart_id is not null;
