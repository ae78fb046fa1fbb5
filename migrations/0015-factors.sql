-- What proves somebody beside a password. `second_factor_at` says since when an account has a passkey or an app that makes
-- codes: from then on a password alone starts no session.
alter table accounts add column second_factor_at timestamptz;

-- When whoever uses a session last proved who they are, and when with more than a password. A session without the latter is
-- confined where a second factor is required.
alter table sessions
  add column confirmed_at timestamptz,
  add column second_factor_at timestamptz;

create table passkeys (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  credential_id bytea not null unique,
  -- In COSE form.
  public_key bytea not null,
  -- How often the authenticator says it has signed; a number that does not grow betrays a copy.
  counter bigint not null,
  -- How browsers reach it, separated by spaces.
  transports text not null,
  backed_up boolean not null,
  -- Sealed.
  name bytea not null,
  created_at timestamptz not null,
  last_used_at timestamptz
);
create index passkeys_account on passkeys (account_id, id);

-- What a browser is asked to sign: once, for one purpose, within five minutes.
create table passkey_challenges (
  id uuid primary key,
  purpose text not null check (purpose in ('REGISTRATION', 'SIGN_IN')),
  -- Null for signing in, when nobody knows yet who it will be.
  account_id uuid references accounts (id),
  challenge bytea not null,
  expires_at timestamptz not null
);
create index passkey_challenges_expiry on passkey_challenges (expires_at);

-- The secret that an app makes codes of, sealed. One in use for each account, and one that waits for its first code.
create table totp_secrets (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  secret bytea not null,
  created_at timestamptz not null,
  confirmed_at timestamptz,
  -- The last step of 30 seconds whose code was used: each is good once.
  last_step bigint
);
create unique index totp_secrets_in_use on totp_secrets (account_id) where confirmed_at is not null;
create unique index totp_secrets_waiting on totp_secrets (account_id) where confirmed_at is null;
create index totp_secrets_age on totp_secrets (created_at) where confirmed_at is null;

create table recovery_codes (
  account_id uuid not null references accounts (id),
  code_hash bytea not null,
  created_at timestamptz not null,
  used_at timestamptz,
  primary key (account_id, code_hash)
);
