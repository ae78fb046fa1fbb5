-- How far ahead of the real time a sandbox's clock runs, in milliseconds: one row, and zero everywhere else.
create table sandbox_clock (
  only_row boolean primary key default true check (only_row),
  ahead_ms bigint not null check (ahead_ms >= 0)
);
insert into sandbox_clock (ahead_ms) values (0);
