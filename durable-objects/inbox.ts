import { getConversation } from "../db/conversations.ts";
import { loadInbox } from "../db/inbox.ts";
import { saveOffline, saveOnline, type VersionedSettings } from "../db/presence.ts";
import { checkInboxCommand, type RefreshCommand } from "../protocol/frames.ts";
import { InboxCore, type InboxPostgres } from "./inbox-core.ts";
import { databaseOf, type ObjectEnv, platformOf } from "./platform.ts";
import type { ConversationRpc, Notice } from "./rpc.ts";
import { SocketObject } from "./socket-object.ts";

/** The Durable Object of one user's inbox: a shell that connects {@link InboxCore} to the platform. */
export class Inbox extends SocketObject<RefreshCommand, InboxCore<WebSocket>> {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    const userId = ctx.id.name ?? "";
    const core = new InboxCore<WebSocket>(
      {
        ...platformOf(ctx, env, {}),
        postgres: postgresOf(env, userId),
        conversation: (id) =>
          env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(id)) as unknown as ConversationRpc,
      },
      userId,
    );
    super(ctx, env, core, checkInboxCommand);
  }

  notify(notice: Notice) {
    return this.core.notify(notice);
  }

  refresh(conversationId: string) {
    return this.core.refresh(conversationId);
  }

  settingsChanged(settings: VersionedSettings) {
    return this.core.settingsChanged(settings);
  }

  inspect() {
    return this.core.inspect();
  }
}

function postgresOf(env: ObjectEnv, userId: string): InboxPostgres {
  const open = databaseOf(env);
  return {
    saveOnline: async (untilMs) => saveOnline(open(), userId, untilMs),
    saveOffline: async (lastSeenMs) => saveOffline(open(), userId, lastSeenMs),
    load: async () => loadInbox(open(), userId),
    find: async (conversationId) => getConversation(open(), conversationId, userId),
  };
}
