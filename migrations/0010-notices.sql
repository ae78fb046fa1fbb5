-- What tells somebody that a message waits. The link of a notice carries its token, which opens nothing: it only says which
-- address may ask to be validated. The reference is short, so that anybody can have a notice verified.
create table notices (
  id uuid primary key,
  kind text not null,
  mailbox_id uuid not null,
  -- The copy it is about; null for what is about several.
  copy_id uuid,
  message_id uuid,
  -- Which of its kind, where there are several: days after the sending or before the expiry, the day of a digest.
  occasion text not null default '',
  reference text not null unique,
  token_hash bytea not null unique,
  mail_id uuid not null,
  created_at timestamptz not null
);
create unique index notices_once on notices (message_id, mailbox_id, kind, occasion) where message_id is not null;
create index notices_mailbox on notices (mailbox_id, id desc);

-- By what means whoever uses a session proved to be the account's owner.
alter table sessions add column method text not null default 'PASSWORD';
