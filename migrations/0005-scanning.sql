-- Whether the bytes of a file may be served. Forwarding shares them, so that the verdict is per blob: waiting until
-- `started_at`, being scanned until `finished_at`, and then clean unless malware has a name. `held_at` says since when a
-- verdict is overdue, `next_at` when to try next: after a pause, or when whoever tries now must have died.
create table scans (
  blob_id uuid primary key,
  uploaded_at timestamptz not null,
  started_at timestamptz,
  held_at timestamptz,
  next_at timestamptz not null,
  finished_at timestamptz,
  malware text,
  check (malware is null or finished_at is not null)
);
create index scans_due on scans (next_at) where finished_at is null;

-- What was stored before there was scanning stays as it was: served.
insert into scans (blob_id, uploaded_at, next_at, finished_at)
select distinct on (blob_id) blob_id, stored_at, stored_at, stored_at from attachments where stored_at is not null order by blob_id, stored_at;
