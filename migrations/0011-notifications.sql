-- When a recipient is next to be told of a message by ordinary mail; null while nothing is due. The first notice has no kind.
-- A reminder or an expiry notice names itself and its occasion; what was held back to be told of together is a digest, and
-- its occasion says which one.
alter table recipients
  add column notice_at timestamptz,
  add column notice_kind text check (notice_kind in ('reminder', 'expiry-notice', 'digest')),
  add column notice_occasion text;
create index recipients_notice on recipients (notice_at) where notice_at is not null;

-- How far reminders have gone: everything sent before this id was looked at so many days afterwards.
create table reminders (
  days_after smallint primary key,
  reminded_through uuid not null
);
insert into reminders (days_after, reminded_through) values (3, '00000000-0000-0000-0000-000000000000'), (14, '00000000-0000-0000-0000-000000000000');

create index notices_mail on notices (mail_id);
create unique index notices_together_once on notices (mailbox_id, kind, occasion) where message_id is null;

-- The messages that one notice tells of together.
create table noticed_messages (
  notice_id uuid not null,
  message_id uuid not null,
  mailbox_id uuid not null,
  primary key (message_id, mailbox_id, notice_id)
);
create index noticed_messages_notice on noticed_messages (notice_id);

-- What somebody chose; whoever chose nothing has no row.
create table notification_preferences (
  account_id uuid primary key references accounts (id) on delete cascade,
  delivery text not null check (delivery in ('IMMEDIATE', 'DAILY_DIGEST')),
  reminders boolean not null,
  expiry_warnings boolean not null
);

-- Mail that somebody takes for a forgery of ours. What they wrote is sealed.
create table suspected_notices (
  id uuid primary key,
  reported_by uuid,
  reported_at timestamptz not null,
  report bytea not null
);
