import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import type {
  ConversationType,
  HistoryVisibility,
  MessageBody,
  Reaction,
  Role,
} from "../protocol/entities.ts";

const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: "string" });
const counter = (name: string) => bigint(name, { mode: "number" });

/** Profiles, as last seen in a credential. A user may participate before ever being seen here. */
export const users = pgTable("users", {
  id: text().primaryKey(),
  name: text(),
  avatarUrl: text("avatar_url"),
  updatedAt: time("updated_at").notNull().defaultNow(),
});

/** What a user decided for all their conversations. Whoever has no row decided nothing. */
export const userSettings = pgTable(
  "user_settings",
  {
    userId: text("user_id").primaryKey(),
    invisible: boolean().notNull().default(false),
    readReceipts: boolean("read_receipts").notNull().default(true),
    /** Rises with every change: objects that are told late take no notice. */
    version: counter("version").notNull().default(0),
    /** The version that every object was told of. */
    toldVersion: counter("told_version").notNull().default(0),
    updatedAt: time("updated_at").notNull().defaultNow(),
  },
  (table) => [index("user_settings_untold").on(table.updatedAt).where(sql`version > told_version`)],
);

/**
 * Whose inbox is open, for whoever has not been told by the inbox itself: an object that loads its conversation, a
 * Worker that made one. The inboxes write it.
 */
export const presence = pgTable("presence", {
  userId: text("user_id").primaryKey(),
  /** Believed no longer than that; null while the inbox is closed. */
  onlineUntil: time("online_until"),
  lastSeenAt: time("last_seen_at"),
});

export const conversations = pgTable(
  "conversations",
  {
    id: uuid().primaryKey(),
    type: text().$type<ConversationType>().notNull(),
    title: text(),
    createdBy: text("created_by").notNull(),
    createdAt: time("created_at").notNull().defaultNow(),
    /** Time of the newest activity: lists are ordered by it. */
    updatedAt: time("updated_at").notNull().defaultNow(),
    /** The two user ids of a direct conversation, sorted, as one string: the pair exists once. */
    directKey: text("direct_key").unique(),
    /** What later joiners see: everything, or what comes after they join. */
    historyVisibility: text("history_visibility").$type<HistoryVisibility>().notNull().default("beginning"),
    /** Counts changes of title and participants; the object mirrors them in this order. */
    version: counter("version").notNull().default(1),
    /** Set when an object first loads the conversation: before that, no object holds anything of it. */
    activatedAt: time("activated_at"),
    /** Head of what was drained. */
    lastMessageId: counter("last_message_id").notNull().default(0),
    /** Newest drained `seq`. */
    seq: counter("seq").notNull().default(0),
    deletedAt: time("deleted_at"),
  },
  (table) => [
    index("conversations_deleted_at").on(table.deletedAt).where(sql`${table.deletedAt} is not null`),
    check("conversations_type", sql`${table.type} in ('direct', 'group')`),
    check("conversations_history_visibility", sql`${table.historyVisibility} in ('beginning', 'joining')`),
  ],
);

export const participants = pgTable(
  "participants",
  {
    conversationId: uuid("conversation_id")
      .notNull()
      .references(() => conversations.id, { onDelete: "cascade" }),
    userId: text("user_id").notNull(),
    role: text().$type<Role>().notNull(),
    joinedAt: time("joined_at").notNull().defaultNow(),
    lastReadId: counter("last_read_id").notNull().default(0),
    /**
     * The first message they may see. null: nothing yet, until the conversation's object, which knows its head, has
     * settled it.
     */
    visibleFromId: counter("visible_from_id").default(1),
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.userId] }),
    index("participants_user").on(table.userId, table.conversationId),
    check("participants_role", sql`${table.role} in ('admin', 'member')`),
  ],
);

export const messages = pgTable(
  "messages",
  {
    conversationId: uuid("conversation_id")
      .notNull()
      .references(() => conversations.id, { onDelete: "cascade" }),
    id: counter("id").notNull(),
    seq: counter("seq").notNull(),
    createdSeq: counter("created_seq").notNull(),
    senderId: text("sender_id").notNull(),
    tempId: text("temp_id"),
    type: text().$type<"user" | "system">().notNull(),
    /** null once deleted. */
    body: jsonb().$type<MessageBody>(),
    replyToId: counter("reply_to_id"),
    reactions: jsonb().$type<Reaction[]>().notNull().default([]),
    createdAt: time("created_at").notNull(),
    editedAt: time("edited_at"),
    deletedAt: time("deleted_at"),
    /** The text as search compares it; null without a text, and until the backfill has come to an older message. */
    searchText: text("search_text"),
    /** Its bigrams, each with the block of ids that the message is in: see `search-index.ts`. */
    bigrams: bigint({ mode: "bigint" }).array(),
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.id] }),
    unique("messages_temp_id").on(table.conversationId, table.senderId, table.tempId),
    index("messages_created_at").on(table.conversationId, table.createdAt),
    // The few messages that nobody has to read, so that unread counts need not look at the many that somebody has.
    index("messages_uncounted")
      .on(table.conversationId, table.id)
      .where(sql`${table.deletedAt} is not null or ${table.type} <> 'user'`),
    // Without a list of pending entries, which every search would read and now and then a drain would have to sort in.
    index("messages_bigrams")
      .using("gin", table.bigrams)
      .with({ fastupdate: false })
      .where(sql`${table.bigrams} is not null`),
    // What the backfill has to do: empty but for a while after an update.
    index("messages_unsearchable")
      .on(table.conversationId, table.id)
      .where(sql`${table.bigrams} is null and ${table.body} ? 'text'`),
  ],
);

/** Changes that objects must be told of: written with the change, marked when the object confirmed. */
export const outbox = pgTable(
  "outbox",
  {
    id: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    conversationId: uuid("conversation_id").notNull(),
    /** `conversations.version` after the change. */
    version: counter("version").notNull(),
    processed: boolean().notNull().default(false),
    /** Who made the change, and what the system message about it says; null where none is written. */
    actorId: text("actor_id"),
    body: jsonb().$type<MessageBody>(),
    attempts: integer().notNull().default(0),
    createdAt: time("created_at").notNull().defaultNow(),
  },
  (table) => [
    index("outbox_processed").on(table.processed, table.createdAt),
    index("outbox_conversation").on(table.conversationId, table.version),
  ],
);

/** Answers to repeated creations: the conversation that a user's `Idempotency-Key` made. */
export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    userId: text("user_id").notNull(),
    key: text().notNull(),
    /** Hash of the request, so that another one under the same key is noticed. */
    fingerprint: text().notNull(),
    conversationId: uuid("conversation_id").notNull(),
    createdAt: time("created_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.key] }),
    index("idempotency_keys_created_at").on(table.createdAt),
  ],
);

/** Credentials that were ended before their time: one token by its `jti`, or all of a user made until then. */
export const revocations = pgTable(
  "revocations",
  {
    kind: text().$type<"jti" | "user">().notNull(),
    /** The `jti` or the user's id. */
    value: text().notNull(),
    /** Tokens of the user made at or before this are void. */
    revokedAt: time("revoked_at").notNull(),
    /** After this no credential it speaks of is valid anyway. */
    expiresAt: time("expires_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.kind, table.value] }),
    index("revocations_expires_at").on(table.expiresAt),
  ],
);

/** Messages that Postgres refused for what they contain: set aside by the drain, for a person to look at. */
export const poisonMessages = pgTable(
  "poison_messages",
  {
    conversationId: uuid("conversation_id").notNull(),
    messageId: counter("message_id").notNull(),
    seq: counter("seq").notNull(),
    sqlState: text("sql_state").notNull(),
    error: text().notNull(),
    createdAt: time("created_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.conversationId, table.messageId, table.seq] })],
);
