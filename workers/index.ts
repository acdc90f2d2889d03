import { app } from "./app.ts";
import type { Env } from "./env.ts";
import { sweep } from "./membership.ts";

export { Conversation } from "../durable-objects/conversation.ts";
export { Inbox } from "../durable-objects/inbox.ts";
export type { AppType } from "./app.ts";
export { Authenticator } from "./authenticator.ts";

export default {
  fetch: app.fetch,
  scheduled: (_controller, env) => sweep(env),
} satisfies ExportedHandler<Env>;
