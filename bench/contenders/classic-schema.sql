-- What the classic stack and Socket.IO keep, beside the service's own tables.
create schema classic;
create table classic.conversations (
  id uuid primary key,
  last_message_id bigint not null default 0,
  updated_at timestamptz not null default now()
);
create table classic.messages (
  conversation_id uuid not null references classic.conversations (id),
  id bigint not null,
  sender_id text not null,
  temp_id text,
  body jsonb,
  created_at timestamptz not null default now(),
  primary key (conversation_id, id),
  unique (conversation_id, sender_id, temp_id)
);
create table classic.outbox (
  id bigint primary key generated always as identity,
  conversation_id uuid not null,
  message_id bigint not null,
  created_at timestamptz not null default now()
);

create schema socket_io;
create table socket_io.messages (
  id bigint primary key generated always as identity,
  conversation_id uuid not null,
  sender_id text not null,
  temp_id text,
  body jsonb,
  created_at timestamptz not null default now(),
  unique (conversation_id, sender_id, temp_id)
);
create index on socket_io.messages (conversation_id, id);
