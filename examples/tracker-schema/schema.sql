-- A project tracker, as a team of four wrote it in two years. Every table has its workspace, row-level security is on
-- where somebody thought of it, and nobody has ever seen another customer's issue in it. See README.md.

create role tracker_owner nologin;
create role tracker_app login;

create schema tracker authorization tracker_owner;
set role tracker_owner;
grant usage, create on schema tracker to tracker_app;

create table tracker.workspace (
  workspace_id text primary key,
  name         text not null,
  plan         text not null default 'free'
);

create table tracker.member (
  member_id    bigint generated always as identity primary key,
  workspace_id text not null references tracker.workspace,
  email        text not null,
  name         text not null,
  -- Whoever tries to invite somebody learns who is a customer elsewhere.
  unique (email)
);

create table tracker.project (
  project_id   bigint generated always as identity primary key,
  workspace_id text not null references tracker.workspace,
  key          text not null,
  name         text not null,
  unique (workspace_id, key)
);

create sequence tracker.issue_number;
create table tracker.issue (
  issue_id     bigint primary key default nextval('tracker.issue_number'),
  workspace_id text not null references tracker.workspace,
  project_id   bigint not null references tracker.project,
  author_id    bigint not null references tracker.member,
  title        text not null,
  body         text not null default '',
  state        text not null default 'open' check (state in ('open', 'closed')),
  created_at   timestamptz not null default now()
);
create index issue_created on tracker.issue (created_at);

-- Nobody put a workspace here, since an issue has one.
create table tracker.comment (
  comment_id bigint generated always as identity primary key,
  issue_id   bigint not null references tracker.issue on delete cascade,
  author_id  bigint references tracker.member on delete set null,
  body       text not null
);

create table tracker.attachment (
  attachment_id bigint generated always as identity primary key,
  workspace_id  text,
  issue_id      bigint not null references tracker.issue on delete cascade,
  file_name     text not null,
  content       bytea not null default ''
);

-- A workspace shows an issue to another one, on purpose: `workspace_id` gives, `shared_with` gets.
create table tracker.share (
  share_id     bigint generated always as identity primary key,
  workspace_id text not null references tracker.workspace,
  shared_with  text not null references tracker.workspace,
  issue_id     bigint not null references tracker.issue,
  unique (issue_id, shared_with)
);

create table tracker.audit_entry (
  entry_id     bigint generated always as identity primary key,
  workspace_id text not null,
  at           timestamptz not null default now(),
  what         text not null,
  old_row      jsonb
);

-- Everybody's.
create table tracker.country (code text primary key, name text not null);

create function tracker.audit() returns trigger language plpgsql security definer as $$
begin
  insert into audit_entry (workspace_id, what, old_row) values (old.workspace_id, tg_op || ' ' || tg_table_name, to_jsonb(old));
  return null;
end $$;
create trigger issue_audit after update or delete on tracker.issue for each row execute function tracker.audit();

-- The search box. Written as a definer function when it was slow, which helped.
create function tracker.search(words text) returns setof tracker.issue language sql stable security definer as $$
  select * from tracker.issue where to_tsvector('english', title || ' ' || body) @@ plainto_tsquery('english', words)
$$;

create view tracker.issue_text as
  select i.workspace_id, i.issue_id, i.title, to_tsvector('english', i.title || ' ' || i.body) as words from tracker.issue i;
create view tracker.issue_seen as
  select i.*, s.shared_with from tracker.issue i left join tracker.share s using (issue_id);

-- What the blog post said.
alter table tracker.project enable row level security;
create policy project_workspace on tracker.project using (workspace_id = current_setting('app.workspace_id'));
alter table tracker.issue enable row level security;
create policy issue_workspace on tracker.issue using (workspace_id = current_setting('app.workspace_id'));
create policy issue_shared on tracker.issue for select using (true);
alter table tracker.member enable row level security;
create policy member_workspace on tracker.member
  using (workspace_id = current_setting('app.workspace_id') or workspace_id is null);
-- Enabled in a hurry, and the policy forgotten.
alter table tracker.attachment enable row level security;

grant all on all tables in schema tracker to tracker_app;
grant all on all sequences in schema tracker to tracker_app;
alter default privileges in schema tracker grant all on tables to tracker_app;
reset role;
