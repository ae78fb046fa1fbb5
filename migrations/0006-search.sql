-- Search over sealed content (docs/sealing.md, "What search leaves behind"). Each message has the list of its words,
-- sealed under the key of its day; it goes with the message.
create table search_words (
  message_id uuid primary key,
  sealed bytea not null
);
alter table search_words alter column sealed set storage external;

-- Days of large mailboxes whose lists a job has gathered, so that a search reads one bucket a day and not every list.
-- `bucket_key` is sealed and tells which words are in which bucket; the numbers in the buckets count `copy_ids`, 16 bytes
-- each. Numbers and key stay as they are when a day is gathered again, so that a search meanwhile finds the same.
create table search_gathered_days (
  mailbox_id uuid not null,
  day integer not null,
  bucket_key bytea not null,
  copy_ids bytea not null,
  stale_since timestamptz,
  primary key (mailbox_id, day)
);
alter table search_gathered_days alter column copy_ids set storage external;
create index search_gathered_days_day on search_gathered_days (day);
create index search_gathered_days_stale on search_gathered_days (mailbox_id, day) where stale_since is not null;

create table search_days (
  mailbox_id uuid not null,
  bucket smallint not null,
  day integer not null,
  sealed bytea not null,
  primary key (mailbox_id, bucket, day)
);
alter table search_days alter column sealed set storage external;
