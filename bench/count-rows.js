// Entry of a Worker around the built service that counts what its objects write: no part of what is measured.
import service, { Conversation as Service } from "./service.js";

export class Conversation extends Service {
  #cursors;
  #alarms;

  constructor(ctx, env) {
    const cursors = [];
    const alarms = [];
    watch(ctx.storage.sql, "exec", cursors);
    watch(ctx.storage, "setAlarm", alarms);
    super(ctx, env);
    this.#cursors = cursors;
    this.#alarms = alarms;
  }

  fetch(request) {
    if (new URL(request.url).pathname !== "/rows") return super.fetch(request);
    // Setting an alarm is billed as a row.
    const rows = this.#cursors.reduce((sum, { rowsWritten }) => sum + rowsWritten, this.#alarms.length);
    return Response.json({ rows });
  }
}

/** Keeps every result of a method. */
function watch(target, name, results) {
  const method = target[name].bind(target);
  Object.defineProperty(target, name, {
    value: (...args) => {
      const result = method(...args);
      results.push(result);
      return result;
    },
  });
}

export default {
  fetch(request, env, ctx) {
    const id = /^\/rows\/(.+)$/.exec(new URL(request.url).pathname)?.[1];
    if (id === undefined) return service.fetch(request, env, ctx);
    return env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(id)).fetch("https://conversation/rows");
  },
};
