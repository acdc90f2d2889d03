import type { Caller } from "../../durable-objects/door.ts";
import {
  conversationNotFound,
  type Refusal,
  type Result,
  refuse,
  toErrorBody,
} from "../../protocol/errors.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { completePage, type PageRange } from "../../workers/message-page.ts";
import type { Connection } from "./network.ts";
import type { SimulatedObject } from "./object.ts";
import type { Change, SimulatedPostgres } from "./postgres.ts";
import type { World } from "./world.ts";

/** A reply over HTTP. */
export interface Reply {
  status: number;
  body: unknown;
}

export interface RestRequest {
  user: string;
  method: string;
  /** Behind `/api/conversations/{id}`. */
  path: string;
  query: URLSearchParams;
  body: unknown;
}

const SWEEP_EVERY_MS = 60_000;
const SWEEP_AFTER_MS = 5_000;

/** How the Worker answers the verdicts of Postgres; an unlisted one is a success. */
const REFUSALS: Record<string, Refusal> = {
  not_participant: conversationNotFound().error,
  forbidden: refuse("FORBIDDEN", "Only an admin may do this.").error,
  no_target: refuse("NOT_FOUND", "This user does not take part.").error,
  last_admin: refuse("CONFLICT", "The last admin stays.").error,
};

/** What the Worker does around the conversation: REST, upgrades and the cron, each in the order that `workers/` has. */
export class Edge {
  readonly #world: World;
  readonly #object: SimulatedObject;
  readonly #postgres: SimulatedPostgres;
  /** Life of a credential, milliseconds; null if it does not end. */
  tokenLifeMs: number | null = null;
  /** Raised when all Workers die: what they were doing is never finished. */
  #generation = 0;
  readonly #requests = new Set<() => void>();

  constructor(world: World, object: SimulatedObject, postgres: SimulatedPostgres) {
    this.#world = world;
    this.#object = object;
    this.#postgres = postgres;
    this.#sweepLater();
  }

  /** Every Worker dies: their callers get no answer. */
  crash(): void {
    this.#generation += 1;
    for (const fail of [...this.#requests]) fail();
  }

  /** Whether the user takes part, as Postgres says. */
  takesPart(user: string): boolean {
    return this.#postgres.isMember(user);
  }

  /** A token says who sends it and when it ends. */
  issueToken(user: string): string {
    return this.tokenLifeMs === null ? user : `${user}.${this.#world.now + this.tokenLifeMs}`;
  }

  upgrade(connection: Connection, url: URL, token: string): void {
    const [user = "", expiry] = token.split(".");
    const expiresAt = expiry === undefined ? null : Number(expiry);
    if (expiresAt !== null && expiresAt <= this.#world.now) {
      connection.serverOpens();
      connection.serverCloses(4401);
      return;
    }
    const since = url.searchParams.get("since");
    void this.#object.connect(connection, callerOf(user), {
      expiresAt,
      clientId: url.searchParams.get("client_id"),
      since: since === null ? undefined : Number(since),
      epoch: url.searchParams.get("epoch") ?? undefined,
    });
  }

  /** Rejects when the Worker dies on the way. */
  request(request: RestRequest): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new TypeError("The connection was reset."));
      this.#requests.add(fail);
      const done = (settle: () => void): void => {
        if (this.#requests.delete(fail)) settle();
      };
      this.#answer(request).then(
        (reply) => done(() => resolve(reply)),
        () => done(() => resolve(errorReply(refuse("INTERNAL_ERROR", "Something went wrong.").error, 500))),
      );
    });
  }

  async #answer({ user, method, path, query, body }: RestRequest): Promise<Reply> {
    const change = changeOf(method, path, body);
    if (change) return this.#change(user, change);
    if (method === "GET" && path === "/messages") return this.#page(user, query);
    if (method === "POST" && path === "/messages") {
      const { temp_id, body: text } = body as { temp_id: string; body: { text: string } };
      const sent = await this.#ask(
        this.#object.call((core) =>
          core.execute(user, { type: "message.send", temp_id, body: text, reply_to_id: null }),
        ),
      );
      return sent.ok
        ? { status: sent.value.isNew ? 201 : 200, body: { data: sent.value.message } }
        : refused(sent);
    }
    if (method === "PUT" && path === "/read") {
      const { last_read_id } = body as { last_read_id: number };
      const read = await this.#ask(this.#object.call((core) => core.read(user, last_read_id)));
      return read.ok ? { status: 200, body: { data: read.value } } : refused(read);
    }
    const reacted = /^\/messages\/(\d+)\/reactions\/(.+)$/.exec(path);
    if (method === "PUT" && reacted) {
      const [, id, emoji = ""] = reacted;
      const outcome = await this.#ask(
        this.#object.call((core) => core.execute(user, { type: "reaction.add", id: Number(id), emoji })),
      );
      return outcome.ok ? { status: 200, body: { data: outcome.value.message } } : refused(outcome);
    }
    if (method === "GET" && path === "/participants") {
      const members = await this.#read(() => this.#postgres.members(user));
      return members
        ? { status: 200, body: { data: members, has_more: false } }
        : refused(conversationNotFound());
    }
    if (method === "GET" && path === "") {
      const summary = await this.#ask(this.#object.call((core) => core.summary(user)));
      return summary.ok ? { status: 200, body: { data: summary.value } } : refused(summary);
    }
    throw new Error(`No such route: ${method} ${path}`);
  }

  async #page(user: string, query: URLSearchParams): Promise<Reply> {
    const number = (name: string): number | undefined => {
      const value = query.get(name);
      return value === null ? undefined : Number(value);
    };
    const range: PageRange = {
      limit: number("limit") ?? LIMITS.pageSizeDefault,
      beforeId: number("before_id"),
      afterId: number("after_id"),
    };
    const page = await this.#ask(this.#object.call((core) => core.page(user, range)));
    if (!page.ok) return refused(page);
    const { missing } = page.value;
    const older = missing ? await this.#read(() => this.#postgres.readPage(missing)) : [];
    return {
      status: 200,
      body: completePage(
        page.value,
        older.map(({ message }) => message),
        range,
      ),
    };
  }

  /** Postgres first; the object knows before the caller does; the cron does what could not be done here. */
  async #change(user: string, change: Change): Promise<Reply> {
    const outcome = await this.#read(() => this.#postgres.change(user, change));
    const { verdict, tellVersion } = outcome;
    const isOutsider = verdict === "not_participant" || verdict === "forbidden";
    if (tellVersion !== null && !isOutsider) {
      const told = await this.#ask(this.#object.call((core) => core.versionChanged(tellVersion)));
      if (!told.ok) return errorReply(refuse("SERVICE_UNAVAILABLE", "Stored; try again.").error, 503);
      void this.#postgres.request(() => this.#postgres.markTold(tellVersion)).catch(() => undefined);
    }
    const refusal = REFUSALS[verdict];
    return refusal ? errorReply(refusal, 409) : { status: 200, body: { data: null } };
  }

  #read<T>(execute: () => T): Promise<T> {
    return this.#live(this.#postgres.request(execute));
  }

  /** A call of the object; its end is an answer that says to try again. */
  async #ask<T>(call: Promise<Result<T>>): Promise<Result<T>> {
    try {
      return await this.#live(call);
    } catch {
      return refuse("SERVICE_UNAVAILABLE", "The conversation cannot be reached.");
    }
  }

  /** Never comes back to a Worker that died meanwhile. */
  async #live<T>(work: Promise<T>): Promise<T> {
    const generation = this.#generation;
    try {
      return await work;
    } finally {
      if (generation !== this.#generation) await new Promise(() => undefined);
    }
  }

  #sweepLater(): void {
    this.#world.after(SWEEP_EVERY_MS, () => {
      this.#sweepLater();
      void this.#sweep().catch(() => undefined);
    });
  }

  async #sweep(): Promise<void> {
    const version = await this.#read(() => this.#postgres.newestUntold(SWEEP_AFTER_MS));
    if (version === null) return;
    const told = await this.#ask(this.#object.call((core) => core.versionChanged(version)));
    if (told.ok) await this.#read(() => this.#postgres.markTold(version));
  }
}

const callerOf = (userId: string): Caller => ({
  userId,
  name: null,
  avatarUrl: null,
  jti: null,
  issuedAtMs: null,
  address: null,
});

function changeOf(method: string, path: string, body: unknown): Change | null {
  const target = /^\/participants\/(.+)$/.exec(path)?.[1];
  if (method === "DELETE" && target !== undefined) return { type: "remove", target };
  if (method === "PATCH" && target !== undefined) return { type: "promote", target };
  if (method === "POST" && path === "/participants")
    return { type: "add", target: (body as { user_ids: [string] }).user_ids[0] };
  if (method === "PATCH" && path === "") return { type: "rename", title: (body as { title: string }).title };
  if (method === "DELETE" && path === "") return { type: "end" };
  return null;
}

const refused = (result: { error: Refusal }): Reply =>
  errorReply(result.error, result.error.code === "SERVICE_UNAVAILABLE" ? 503 : 404);

const errorReply = (refusal: Refusal, status: number): Reply => ({
  status,
  body: { error: toErrorBody(refusal, "request") },
});
