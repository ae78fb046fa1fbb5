-- Ordinary e-mail on its way out: notices that a message waits, codes, and words about an account. What it says beside the
-- fixed text stands in `data`, sealed. A row stays when it is sent, so that a reference can be verified.
create table mails (
  id uuid primary key,
  kind text not null,
  address text not null,
  language text not null check (language in ('EN', 'ES')),
  data bytea not null,
  created_at timestamptz not null,
  -- When it is to be tried next; null once it is sent or failed for good.
  next_at timestamptz,
  attempts integer not null default 0,
  sent_at timestamptz,
  failed_at timestamptz
);
create index mails_due on mails (next_at) where next_at is not null;
create index mails_age on mails (created_at);

-- In which language somebody is written to, and the words they chose so that they know our mail by them (sealed).
alter table accounts
  add column language text not null default 'EN' check (language in ('EN', 'ES')),
  add column phrase bytea;

-- Null for whoever signs in only through their own organisation or with a passkey.
alter table accounts alter column password_hash drop not null;
