-- Content is sealed from here on (docs/sealing.md). What was written in the clear before has no key to be read with.
do $$
begin
  if exists (select from messages) or exists (select from drafts) or exists (select from accounts) then
    raise exception using message = 'This database was made before content was sealed. Start with an empty one (the demo: remove its data folder).';
  end if;
end $$;

-- The keys that seal content, wrapped by the keyring. A schema of their own, to be backed up apart from the data: whoever
-- restores old data without these keys, or with today's, restores noise for every day whose key is destroyed.
create schema keys;

create table keys.data_keys (
  id text primary key collate "C",
  wrapped bytea,
  master_key_id text not null,
  created_at timestamptz not null,
  destroyed_at timestamptz,
  check ((wrapped is null) = (destroyed_at is not null))
) with (fillfactor = 70);

-- Names of people and teams are sealed under the lasting key of the directory. A mailbox without one goes by its address.
alter table accounts drop column display_name;
alter table accounts add column name bytea not null;
alter table mailboxes drop column display_name;
alter table mailboxes add column name bytea;
