// Entry of the built service in a workerd of its own, where nothing calls the cron.
import service, { Authenticator, Conversation, Inbox } from "./service.js";

export { Authenticator, Conversation, Inbox };

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/cdn-cgi/handler/scheduled")
      return service.fetch(request, env, ctx);
    await service.scheduled(null, env, ctx);
    return new Response("ok");
  },
};
