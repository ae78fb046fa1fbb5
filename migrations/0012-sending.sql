-- What a mail needs on its way. The words its reader chose so that they know our mail by them stand apart from `data`, sealed
-- like it; after `until` it is of no use to anybody and is not sent any more.
alter table mails
  add column phrase bytea,
  add column until timestamptz,
  add column failure text check (failure in ('REFUSED', 'GAVE_UP', 'BOUNCED'));

-- Where nobody is any more: the mail server there said so, with this code.
create table dead_addresses (
  address text primary key,
  since timestamptz not null,
  code text not null
);

-- The demo's mail, which goes nowhere, for its page. Only the last few hundred, and never in production.
create table demo_mails (
  id uuid primary key,
  address text not null,
  subject text not null,
  sent_at timestamptz not null,
  raw bytea not null
);
