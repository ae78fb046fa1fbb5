-- Proofs that somebody reads an address: codes and links that were mailed, for whatever purpose, and what a code is exchanged
-- for. Nothing here can be used by whoever reads it: codes and tokens are hashed under the server's key.
create table validations (
  id uuid primary key,
  -- Which came first: ids of one moment do not tell.
  n bigint generated always as identity,
  purpose text not null check (purpose in ('VALIDATE', 'ENROL', 'RESET', 'CHANGE_ADDRESS', 'DECOY')),
  -- Null where nobody is behind the request: it gets the same answer, and no mail.
  address text,
  account_id uuid,
  -- What the page that asked holds: a code counts only together with it.
  request_hash bytea,
  -- Both null until the mail is queued.
  code_hash bytea,
  token_hash bytea unique,
  wrong_codes integer not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  -- When it was used, or taken back.
  used_at timestamptz
);
create index validations_request on validations (request_hash, n desc);
create index validations_address on validations (address, purpose, n desc);
create index validations_account on validations (account_id) where account_id is not null;
create index validations_expiry on validations (expires_at);
create index validations_to_mail on validations (n) where token_hash is null and used_at is null and address is not null;

-- Whoever tries a code where none is waiting touches this row instead, so that it takes as long.
insert into validations (id, purpose, created_at, expires_at) values ('00000000-0000-0000-0000-000000000000', 'DECOY', '2026-01-01T00:00:00Z', 'infinity');
