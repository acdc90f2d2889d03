import { describeError, sqlState } from "../db/client.ts";
import { loadSnapshot } from "../db/conversations.ts";
import {
  readByIds,
  readByTempIds,
  readNewest,
  readUncounted,
  writeDrainBatch,
  writePoison,
} from "../db/messages.ts";
import { onlineAmong, type VersionedSettings } from "../db/presence.ts";
import { type Command, checkCommand } from "../protocol/frames.ts";
import type { MessageCommand } from "./commands.ts";
import { ConversationCore, type ConversationPostgres } from "./conversation-core.ts";
import type { DrainAnswer } from "./drain.ts";
import { databaseOf, type ObjectEnv, platformOf } from "./platform.ts";
import type { InboxRpc, KnownState } from "./rpc.ts";
import { SocketObject } from "./socket-object.ts";

/** The Durable Object of one conversation: a shell that connects {@link ConversationCore} to the platform. */
export class Conversation extends SocketObject<Command, ConversationCore<WebSocket>> {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    const id = ctx.id.name ?? "";
    const core = new ConversationCore<WebSocket>(
      {
        ...platformOf(ctx, env, { conversation_id: id }),
        erase: async () => {
          await ctx.storage.deleteAlarm();
          await ctx.storage.deleteAll();
        },
        random: Math.random,
        postgres: postgresOf(env, id),
        inbox: (userId) => env.INBOXES.get(env.INBOXES.idFromName(userId)) as unknown as InboxRpc,
      },
      id,
    );
    super(ctx, env, core, checkCommand);
  }

  execute(userId: string, input: MessageCommand) {
    return this.core.execute(userId, input);
  }

  page(userId: string, range: Parameters<ConversationCore<WebSocket>["page"]>[1]) {
    return this.core.page(userId, range);
  }

  summary(userId: string) {
    return this.core.summary(userId);
  }

  participants(userId: string) {
    return this.core.participantsFor(userId);
  }

  read(userId: string, lastReadId: number) {
    return this.core.read(userId, lastReadId);
  }

  searchTail(userId: string, query: string, beforeId?: number) {
    return this.core.searchTail(userId, query, beforeId);
  }

  lease(userId: string, lease: { turn: number; untilMs: number }, known: KnownState | null) {
    return this.core.lease(userId, lease, known);
  }

  release(userId: string, turn: number, lastSeenMs: number | null) {
    return this.core.release(userId, turn, lastSeenMs);
  }

  settingsChanged(userId: string, settings: VersionedSettings) {
    return this.core.settingsChanged(userId, settings);
  }

  versionChanged(version: number) {
    return this.core.versionChanged(version);
  }

  inspect() {
    return this.core.inspect();
  }
}

/** Data exception, integrity violation, program limit: what a message contains, not the state of the server. */
const REFUSED_CLASSES = ["22", "23", "54"];
/** Foreign key violation: the conversation is missing in this database, which no message is to blame for. */
const NO_CONVERSATION = "23503";

function postgresOf(env: ObjectEnv, conversationId: string): ConversationPostgres {
  const open = databaseOf(env);
  return {
    loadSnapshot: async (sinceVersion, forUser) =>
      loadSnapshot(open(), conversationId, sinceVersion, forUser),
    readNewest: async (limit, beforeId) => readNewest(open(), conversationId, limit, beforeId),
    readUncounted: async (beforeId) => readUncounted(open(), conversationId, beforeId),
    readByIds: async (ids) => readByIds(open(), conversationId, ids),
    readByTempIds: async (keys) => readByTempIds(open(), conversationId, keys),
    onlineAmong: async (userIds) => onlineAmong(open(), userIds),
    write: async (batch): Promise<DrainAnswer> => {
      try {
        await writeDrainBatch(open(), { conversationId, ...batch });
        return { outcome: "written" };
      } catch (error) {
        const state = sqlState(error);
        const text = describeError(error);
        return state !== undefined && state !== NO_CONVERSATION && REFUSED_CLASSES.includes(state.slice(0, 2))
          ? { outcome: "refused", sqlState: state, error: text }
          : { outcome: "failed", error: text };
      }
    },
    report: async ({ message }, { sqlState: state, error }) =>
      writePoison(open(), [
        { conversationId, messageId: message.id, seq: message.seq, sqlState: state, error },
      ]),
  };
}
