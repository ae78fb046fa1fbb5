-- Who somebody is at the organisation's identity provider: an issuer's subject stays the same where an address changes.
create table identities (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  provider text not null check (provider in ('OIDC', 'SAML')),
  issuer text not null,
  subject text not null,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  unique (issuer, subject)
);
create index identities_account on identities (account_id);

-- A sign-in that has left for the provider and is to come back once, into the same browser. `request_id` is SAML's; its
-- answer waits in `outcome` until the browser that began and the browser that brought it turn out to be one.
create table sign_in_requests (
  id uuid primary key,
  cookie_hash bytea not null unique,
  request_id text unique,
  content bytea not null,
  ticket_hash bytea unique,
  outcome bytea,
  expires_at timestamptz not null
);
create index sign_in_requests_expiry on sign_in_requests (expires_at);

-- What a session is called at the provider, and what it wants to be told when it ends.
create table provider_sessions (
  session_id uuid primary key references sessions (id) on delete cascade,
  identity_id uuid not null references identities (id),
  name_hash bytea,
  hint bytea not null
);
create index provider_sessions_identity on provider_sessions (identity_id);
create index provider_sessions_name on provider_sessions (name_hash) where name_hash is not null;

-- The provider's orders to sign somebody out, each obeyed once.
create table spent_logouts (
  hash bytea primary key,
  expires_at timestamptz not null
);
create index spent_logouts_expiry on spent_logouts (expires_at);
