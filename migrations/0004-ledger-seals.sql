-- What proves the ledger. A job seals what happened since the last seal; docs/audit.md has the format to the byte.

-- Each seal as it was signed: a JWS (RFC 7515) that names the seal before it by hash. Append-only.
create table seals (
  number bigint primary key,
  jws text not null
);

-- What a seal covers: of each mailbox that moved the next rows, up to `to_sequence`, with the SHA-256 of each. Append-only.
-- One row for a range instead of one for each event: 32 bytes an event and still each row has its own proof.
create table sealed_ranges (
  mailbox_id uuid not null,
  to_sequence bigint not null,
  seal bigint not null,
  hashes bytea not null,
  primary key (mailbox_id, to_sequence)
);
alter table sealed_ranges alter column hashes set storage external;
create index sealed_ranges_seal on sealed_ranges (seal);

-- How far each mailbox is sealed, so that a job finds what moved in one pass. No proof rests on it.
create table sealed_until (
  mailbox_id uuid primary key,
  sequence bigint not null
) with (fillfactor = 50);

-- Which seals were published outside. Append-only.
create table published_seals (
  number bigint primary key,
  published_at timestamptz not null
);

-- What administrators look for: everything, by whom, of which kind; each newest first, and ids sort by time. In a mailbox the
-- primary key serves. What expires is a third of all that happens and needs no index of its own to be found: sweeping it is
-- the cheaper. Together they add some 350 bytes of write-ahead log to an event; docs/audit.md has the figures.
create index events_id on events (id);
create index events_actor on events (actor_id, id) where actor_id is not null;
create index events_action on events (action, id) where action <> 'message.expired';
