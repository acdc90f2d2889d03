// Entry of a Worker around the built service that counts what is billed: no part of what is measured elsewhere.
import { AsyncLocalStorage } from "node:async_hooks";
import service, {
  Authenticator,
  Conversation as ServiceConversation,
  Inbox as ServiceInbox,
} from "./service.js";

export { Authenticator };

const count = {
  workerRequests: 0,
  objectRequests: 0,
  socketMessages: 0,
  alarms: 0,
  postgresRequests: 0,
  activeMs: 0,
  rowsRead: 0,
  rowsWritten: 0,
};
const storedBytes = new Map();
const activity = new AsyncLocalStorage();

/** Wall-clock time in which an object has something under way: what keeps it from hibernating. */
class Activity {
  #pending = 0;
  #since = 0;

  enter() {
    if (this.#pending === 0) this.#since = Date.now();
    this.#pending += 1;
  }

  leave() {
    this.#pending -= 1;
    if (this.#pending === 0) count.activeMs += Date.now() - this.#since;
  }

  during(work) {
    this.enter();
    let result;
    try {
      result = activity.run(this, work);
    } catch (error) {
      this.leave();
      throw error;
    }
    if (!(result instanceof Promise)) {
      this.leave();
      return result;
    }
    return result.finally(() => this.leave());
  }
}

/** The class with everything counted that its objects do. */
const counted = (Service) => {
  class Counted extends Service {
    activity;

    constructor(ctx, env) {
      const own = new Activity();
      const { sql } = ctx.storage;
      replace(sql, "exec", (exec) => (...args) => {
        const cursor = exec(...args);
        // A cursor counts as it is read, which is over by then; only its object may ask it.
        queueMicrotask(() => {
          count.rowsRead += cursor.rowsRead;
          count.rowsWritten += cursor.rowsWritten;
          storedBytes.set(ctx.id.toString(), sql.databaseSize);
        });
        return cursor;
      });
      replace(ctx.storage, "setAlarm", (setAlarm) => (...args) => {
        // Billed as a row.
        count.rowsWritten += 1;
        return setAlarm(...args);
      });
      replace(ctx.storage, "sync", (sync) => () => own.during(sync));
      super(ctx, env);
      this.activity = own;
    }
  }
  const asides = ["constructor", "webSocketClose", "webSocketError"];
  for (const name of Object.getOwnPropertyNames(Service.prototype)) {
    if (asides.includes(name)) continue;
    const unit = { webSocketMessage: "socketMessages", alarm: "alarms" }[name] ?? "objectRequests";
    const handler = Service.prototype[name];
    Counted.prototype[name] = function (...args) {
      count[unit] += 1;
      return this.activity.during(() => handler.apply(this, args));
    };
  }
  return Counted;
};

export const Conversation = counted(ServiceConversation);
export const Inbox = counted(ServiceInbox);

const timers = new Map();
replace(globalThis, "setTimeout", (setTimeout) => (work, ms, ...args) => {
  const own = activity.getStore();
  if (!own) return setTimeout(work, ms, ...args);
  own.enter();
  const timer = setTimeout(() => {
    timers.delete(timer);
    own.during(() => work(...args));
    own.leave();
  }, ms);
  timers.set(timer, own);
  return timer;
});
replace(globalThis, "clearTimeout", (clearTimeout) => (timer) => {
  timers.get(timer)?.leave();
  timers.delete(timer);
  clearTimeout(timer);
});
replace(globalThis, "fetch", (fetch) => (...args) => {
  count.postgresRequests += 1;
  const own = activity.getStore();
  return own ? own.during(() => fetch(...args)) : fetch(...args);
});

function replace(target, name, wrap) {
  Object.defineProperty(target, name, { value: wrap(target[name].bind(target)), configurable: true });
}

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/meter") {
      const sizes = [...storedBytes.values()];
      return Response.json({ ...count, storedBytes: sizes.reduce((total, size) => total + size, 0) });
    }
    count.workerRequests += 1;
    return service.fetch(request, env, ctx);
  },
};
