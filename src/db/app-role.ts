import type { ClientBase, Pool } from "pg";
import { withSettings } from "./database.ts";

/**
 * The role as which the application works, whoever it logs in as: it reads and writes rows, owns nothing, and may only
 * append to the ledger. Roles belong to the whole PostgreSQL server, so several databases may share this one.
 */
export const APP_ROLE = "mailbox_app";

/** The address at which the application connects: the role is taken with the connection, so it costs a request nothing. */
export function asApplication(url: string): string {
  return withSettings(url, `-c role=${APP_ROLE}`);
}

/** Whether this login owns our tables, or none are there yet: it may then bring the database up to date. */
export async function isOwner(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ owns: boolean }>(
    "select coalesce((select pg_has_role(relowner, 'usage') from pg_class where oid = to_regclass('public.events')), true) as owns",
  );
  return rows[0]?.owns === true;
}

/** Makes the application's role and grants it what it needs on all tables there are; run by their owner after each migration. */
export async function letApplicationIn(client: ClientBase): Promise<void> {
  await client.query(grants);
}

/** Refuses to go on with a connection that could change or remove what the ledger says. */
export async function mustOnlyAppend(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ role: string; may: boolean }>(
    `select current_user as role, bool_or(has_table_privilege(name, 'update, delete, truncate')) as may
     from unnest(array['events', 'seals', 'sealed_ranges', 'published_seals']) as name`,
  );
  const [{ role = "", may = true } = {}] = rows;
  if (may) throw new Error(`The database role ${role} may change the ledger. Connect without a proxy that drops the option "role", or see docs/audit.md.`);
}

/**
 * The queue's tables let nobody but their owner see a row (row level security) until a policy says otherwise. Granting is
 * repeated at each migration, so a table that came with it needs no line of its own.
 */
const grants = `
do $$
declare
  item record;
begin
  if to_regrole('${APP_ROLE}') is null then
    begin
      create role ${APP_ROLE} nologin;
    exception
      when duplicate_object or unique_violation then null; -- a migration of another database made it at this moment
      when insufficient_privilege then
        raise exception 'The role ${APP_ROLE} is missing and % may not make it. As an administrator run: create role ${APP_ROLE} nologin; grant ${APP_ROLE} to %', current_user, current_user;
    end;
  end if;
  begin
    set local role ${APP_ROLE};
    set local role none;
  exception
    when insufficient_privilege then execute format('grant ${APP_ROLE} to %I', current_user);
  end;
  for item in select nspname as name from pg_namespace where nspname in ('public', 'keys', 'graphile_worker') loop
    execute format('grant usage on schema %I to ${APP_ROLE}', item.name);
  end loop;
  for item in
    select c.oid, c.oid::regclass as name, c.relrowsecurity,
      case when c.relkind = 'v' or (n.nspname = 'public' and c.relname = 'migrations') then 'select'
           when n.nspname = 'public' and c.relname in ('events', 'seals', 'sealed_ranges', 'published_seals') then 'select, insert'
           else 'select, insert, update, delete' end as privileges
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'keys', 'graphile_worker') and c.relkind in ('r', 'p', 'v') and pg_has_role(c.relowner, 'usage')
  loop
    execute format('grant %s on %s to ${APP_ROLE}', item.privileges, item.name);
    if item.relrowsecurity and not exists (select from pg_policy where polrelid = item.oid and polname = '${APP_ROLE}') then
      execute format('create policy ${APP_ROLE} on %s to ${APP_ROLE} using (true)', item.name);
    end if;
  end loop;
end
$$`;
