-- Personal access tokens: what partners and scripts send instead of a session. The name is sealed; of the token only a
-- keyed hash is kept.
create table access_tokens (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  name bytea not null,
  scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['READ', 'WRITE', 'ADMIN']),
  token_hash bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  -- To the minute.
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index access_tokens_account on access_tokens (account_id, id desc);
create index access_tokens_expiry on access_tokens (expires_at);

-- The one link by which somebody invited chooses user ID and password. An account has one at most; a new one takes the
-- old one's place, and using it removes it.
create table invitations (
  account_id uuid primary key references accounts (id),
  token_hash bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz not null
);

-- Lists of people go by address. Beginnings of addresses and user IDs are ranges only in the order of bytes.
create index accounts_by_address on accounts (address collate "C");
create index accounts_by_user_id on accounts (user_id collate "C");
create index accounts_of_kind on accounts (kind, address collate "C");
create index accounts_disabled on accounts (address collate "C") where disabled_at is not null;
create index mailboxes_teams on mailboxes (address collate "C") where kind = 'TEAM';
