-- How often something was tried, and until when it must wait: rate-limiter-flexible's own columns, in its order. Keys are
-- hashed; `expire` is in milliseconds of the real time.
create table attempts (
  key varchar(255) primary key,
  points integer not null default 0,
  expire bigint
);
create index attempts_expiry on attempts (expire);

-- A browser or app on which an account has signed in, known again by a token of which only a hash is kept. Accounts that
-- share a browser share its token, each with a row of its own.
create table devices (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  token_hash bytea not null,
  name text not null,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  revoked_at timestamptz
);
create unique index devices_token on devices (token_hash, account_id);
create index devices_account on devices (account_id, id desc);
create index devices_age on devices (last_used_at);

alter table sessions add column device_id uuid references devices (id) on delete set null;
create index sessions_device on sessions (device_id);

-- The sign-in before the last one.
alter table accounts add column previous_sign_in_at timestamptz;

-- One-time codes by e-mail. Known by the hash of what was typed as user ID, so that one that nobody has leaves the same row,
-- only without an account.
create table sign_in_codes (
  user_key bytea primary key,
  id uuid not null,
  account_id uuid references accounts (id),
  code_hash bytea not null,
  tries integer not null default 0,
  expires_at timestamptz not null,
  used_at timestamptz
);
create unique index sign_in_codes_id on sign_in_codes (id);
create index sign_in_codes_expiry on sign_in_codes (expires_at);
