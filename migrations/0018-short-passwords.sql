-- Whether a password is good only beside a second factor, being shorter than one that stands alone: the last factor stays then.
alter table accounts add column password_needs_factor boolean not null default false;
