import type { ConversationSnapshot, SnapshotParticipant } from "../../db/conversations.ts";
import type { StoredMessage } from "../../db/messages.ts";
import { UNDECIDED } from "../../db/presence.ts";
import type { ConversationPostgres } from "../../durable-objects/conversation-core.ts";
import type { DrainAnswer } from "../../durable-objects/drain.ts";
import type { MessageBody } from "../../protocol/entities.ts";
import { systemBody } from "../stack/system-body.ts";
import type { World } from "./world.ts";

/** How the database answers for a while. */
export type PostgresMood =
  | "well"
  /** Every request fails at once. */
  | "down"
  /** Replies take seconds; some take longer than anybody waits. */
  | "slow"
  /** Some requests are carried out, and their reply is lost. */
  | "forgetful"
  /** Some transactions fail when they commit. */
  | "refusing"
  /** Some requests are carried out long after whoever asked has given up. */
  | "late";

/** Part of a text that this database cannot store, as PostgreSQL cannot store a NUL character. */
export const UNSTORABLE = "☠";

/** How long the driver waits for a reply, milliseconds. */
const PATIENCE_MS = 10_000;

export class PostgresDown extends Error {
  override name = "PostgresDown";
}

/** A change of a conversation as somebody asks for it. */
export type Change =
  | { type: "add"; target: string }
  | { type: "remove"; target: string }
  | { type: "rename"; title: string }
  | { type: "promote"; target: string }
  | { type: "end" };

/** What `db/` does for one conversation, in memory: the same statements, as transactions. */
export class SimulatedPostgres {
  mood: PostgresMood = "well";
  readonly messages = new Map<number, StoredMessage>();
  readonly participants = new Map<string, SnapshotParticipant>();
  readonly poison = new Set<number>();
  readonly #world: World;
  readonly #id: string;
  #title: string | null = null;
  #version = 1;
  #isActivated = false;
  #isDeleted = false;
  #lastMessageId = 0;
  #seq = 0;
  #updatedAt: string;
  /** Requests that may still change something, whether or not anybody waits for them. */
  #underWay = 0;
  /** Versions that the object has not been told of, and when they were made. */
  #untold = new Map<number, number>();
  /** Whose inbox is open, and until when that may be believed. */
  readonly #onlineUntil = new Map<string, number>();
  /** The system message about each version, for the object to write. */
  readonly #said: Array<{ version: number; actor_id: string; body: MessageBody }> = [];

  constructor(world: World, id: string, users: readonly string[]) {
    this.#world = world;
    this.#id = id;
    this.#updatedAt = this.#time();
    for (const [index, user] of users.entries()) this.#add(user, index === 0 ? "admin" : "member");
  }

  get head(): number {
    return this.#lastMessageId;
  }

  get seq(): number {
    return this.#seq;
  }

  get title(): string | null {
    return this.#title;
  }

  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** Whether nothing is under way, and nothing is left to be told. */
  get isQuiet(): boolean {
    return this.#underWay === 0 && this.#untold.size === 0;
  }

  /** Sends a request over the network; rejects where the driver would. */
  request<T>(execute: () => T): Promise<T> {
    const { random } = this.#world;
    const mood = this.mood;
    const isUnlucky = random.chance(0.5);
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new PostgresDown(`The database is ${mood}.`));
      if (mood === "down") {
        this.#world.after(this.#world.delay(0, 5), fail);
        return;
      }
      const executeAfterMs = mood === "slow" ? this.#world.delay(50, 13_000) : this.#world.delay(0.2, 5);
      const giveUp = this.#world.after(PATIENCE_MS, fail);
      if (mood === "late" && isUnlucky) {
        this.#world.after(this.#world.delay(0, 5), fail);
        this.#underWay += 1;
        this.#world.after(this.#world.delay(100, 20_000), () => {
          this.#underWay -= 1;
          attempt(execute);
        });
        return;
      }
      this.#underWay += 1;
      this.#world.after(executeAfterMs, () => {
        this.#underWay -= 1;
        // Stopped meanwhile, or an error at COMMIT: nothing was done.
        if (this.mood === "down" || (mood === "refusing" && isUnlucky)) {
          fail();
          return;
        }
        const answer = attempt(execute);
        this.#world.after(this.#world.delay(0.2, 5), () => {
          if (mood === "forgetful" && isUnlucky) {
            fail();
            return;
          }
          giveUp();
          if ("value" in answer) resolve(answer.value);
          else reject(answer.error);
        });
      });
    });
  }

  /** What the object asks. */
  forObject(): ConversationPostgres {
    return {
      loadSnapshot: (sinceVersion, forUser) => this.request(() => this.#snapshot(sinceVersion, forUser)),
      readNewest: (limit, beforeId) => this.request(() => this.#page(limit, beforeId)),
      readUncounted: (beforeId) =>
        this.request(() =>
          [...this.messages.values()].flatMap(({ message: { id, type, deleted_at } }) =>
            id < beforeId && (type !== "user" || deleted_at !== null) ? [id] : [],
          ),
        ),
      readByIds: (ids) =>
        this.request(() => ids.flatMap((id) => structuredClone(this.messages.get(id) ?? []))),
      readByTempIds: (keys) =>
        this.request(() =>
          [...this.messages.values()].filter(({ message }) =>
            keys.some((key) => key.sender_id === message.sender_id && key.temp_id === message.temp_id),
          ),
        ),
      write: (batch) =>
        this.request(() => this.#write(structuredClone(batch))).catch(
          (error): DrainAnswer => ({ outcome: "failed", error: String(error) }),
        ),
      report: ({ message }) => this.request(() => void this.poison.add(message.id)),
      onlineAmong: (userIds) =>
        this.request(() =>
          userIds.flatMap((userId) => {
            const untilMs = this.#onlineUntil.get(userId);
            return untilMs === undefined ? [] : [{ userId, untilMs }];
          }),
        ),
    };
  }

  /** Ids ascending: the newest below `beforeId`, or with `afterId` the first above it. */
  readPage(range: { beforeId?: number; afterId?: number; limit: number }): StoredMessage[] {
    const { beforeId = Number.POSITIVE_INFINITY, afterId, limit } = range;
    const ids = [...this.messages.keys()].sort((a, b) => a - b).filter((id) => id < beforeId);
    const chosen =
      afterId === undefined ? ids.slice(-limit) : ids.filter((id) => id > afterId).slice(0, limit);
    return chosen.flatMap((id) => structuredClone(this.messages.get(id) ?? []));
  }

  /** Everybody in it; null for an outsider. */
  members(user: string): SnapshotParticipant[] | null {
    return this.participants.has(user) && !this.#isDeleted
      ? structuredClone([...this.participants.values()])
      : null;
  }

  /**
   * Changes the conversation and notes that the object must hear of it, as one transaction.
   *
   * @returns why not, or the version to tell; null where no object ever loaded it
   */
  change(actor: string, change: Change): { verdict: string; tellVersion: number | null } {
    const verdict = this.#verdict(actor, change);
    if (verdict === "done") {
      this.#apply(change);
      this.#version += 1;
      const body = systemBody(actor, { op: change.type, ...change });
      if (this.#isActivated) {
        this.#untold.set(this.#version, this.#world.now);
        if (body) this.#said.push({ version: this.#version, actor_id: actor, body });
      } else if (body) this.#say(actor, body);
    }
    return { verdict, tellVersion: this.#isActivated ? this.#version : null };
  }

  /** Whether the user has the conversation in their list. */
  isMember(user: string): boolean {
    return this.participants.has(user) && !this.#isDeleted;
  }

  /** Says that a user's inbox is open. */
  saveOnline(user: string, untilMs: number): void {
    this.#onlineUntil.set(user, untilMs);
  }

  markTold(version: number): void {
    for (const other of [...this.#untold.keys()]) if (other <= version) this.#untold.delete(other);
  }

  /** The newest version that nobody has told for a while; null when there is none. */
  newestUntold(olderThanMs: number): number | null {
    const due = [...this.#untold].filter(([, at]) => at <= this.#world.now - olderThanMs);
    return due.length === 0 ? null : Math.max(...due.map(([version]) => version));
  }

  #verdict(actor: string, change: Change): string {
    const me = this.participants.get(actor);
    if (!me || this.#isDeleted) return "not_participant";
    const isAdmin = me.role === "admin";
    const target = "target" in change ? this.participants.get(change.target) : undefined;
    const admins = [...this.participants.values()].filter(({ role }) => role === "admin").length;
    switch (change.type) {
      case "add":
        return isAdmin ? (target ? "unchanged" : "done") : "forbidden";
      case "promote":
        if (!isAdmin) return "forbidden";
        return target ? (target.role === "admin" ? "unchanged" : "done") : "no_target";
      case "remove":
        if (!isAdmin && change.target !== actor) return "forbidden";
        if (!target) return "no_target";
        return target.role === "admin" && admins === 1 && this.participants.size > 1 ? "last_admin" : "done";
      case "rename":
        return isAdmin ? (this.#title === change.title ? "unchanged" : "done") : "forbidden";
      case "end":
        return isAdmin ? "done" : "forbidden";
    }
  }

  #apply(change: Change): void {
    switch (change.type) {
      case "add":
        this.#add(change.target, "member");
        break;
      case "promote": {
        const target = this.participants.get(change.target);
        if (target) this.participants.set(change.target, { ...target, role: "admin" });
        break;
      }
      case "remove":
        this.participants.delete(change.target);
        break;
      case "rename":
        this.#title = change.title;
        break;
      case "end":
        this.#isDeleted = true;
    }
  }

  /** Writes the system message about a change while no object holds the conversation. */
  #say(actor: string, body: MessageBody): void {
    this.#lastMessageId += 1;
    this.#seq += 1;
    const [id, seq] = [this.#lastMessageId, this.#seq];
    const message = {
      id,
      conversation_id: this.#id,
      sender_id: actor,
      temp_id: null,
      type: "system" as const,
      body,
      reply_to_id: null,
      reactions: [],
      created_at: this.#time(),
      edited_at: null,
      deleted_at: null,
      seq,
    };
    this.messages.set(id, { message, createdSeq: seq });
  }

  #add(user: string, role: "admin" | "member"): void {
    this.participants.set(user, {
      user_id: user,
      role,
      joined_at: this.#time(),
      last_read_id: this.#lastMessageId,
      last_seen_at: null,
      settings: UNDECIDED,
      visible_from_id: 1,
      user: { id: user, name: null, avatar_url: null },
    });
  }

  #snapshot(sinceVersion: number | null, forUser: string | null): ConversationSnapshot | null {
    if (this.#isDeleted) return null;
    this.#isActivated ||= forUser === null || this.participants.has(forUser);
    return structuredClone({
      id: this.#id,
      type: "group",
      title: this.#title,
      history_visibility: "beginning",
      created_by: [...this.participants.keys()][0] ?? "",
      created_at: this.#updatedAt,
      updated_at: this.#updatedAt,
      version: this.#version,
      last_message_id: this.#lastMessageId,
      seq: this.#seq,
      participants: [...this.participants.values()],
      said: this.#said
        .filter(({ version }) => (sinceVersion === null ? this.#untold.has(version) : version > sinceVersion))
        .map(({ actor_id, body }) => ({ actor_id, body })),
    });
  }

  #page(limit: number, beforeId?: number): StoredMessage[] {
    return this.readPage({ limit, ...(beforeId === undefined ? {} : { beforeId }) });
  }

  /** All of the batch or nothing; an older state never replaces a newer one. */
  #write({ messages, seq, participants }: Parameters<ConversationPostgres["write"]>[0]): DrainAnswer {
    for (const { message } of messages) {
      if (message.body?.text?.includes(UNSTORABLE))
        return { outcome: "refused", sqlState: "22P05", error: "untranslatable character" };
      for (const { message: other } of this.messages.values()) {
        if (
          other.id !== message.id &&
          message.temp_id !== null &&
          other.sender_id === message.sender_id &&
          other.temp_id === message.temp_id
        )
          return { outcome: "refused", sqlState: "23505", error: "messages_temp_id" };
      }
    }
    for (const stored of messages) {
      const { message } = stored;
      const known = this.messages.get(message.id);
      if (!known) this.messages.set(message.id, stored);
      else if (known.message.seq < message.seq) {
        const { seq: newSeq, body, reactions, edited_at, deleted_at } = message;
        known.message = { ...known.message, seq: newSeq, body, reactions, edited_at, deleted_at };
      }
      const sender = this.participants.get(message.sender_id);
      if (sender && message.type === "user") sender.last_read_id = Math.max(sender.last_read_id, message.id);
    }
    for (const { user_id, joined_at, last_read_id } of participants) {
      const known = this.participants.get(user_id);
      if (known?.joined_at === joined_at) known.last_read_id = Math.max(known.last_read_id, last_read_id);
    }
    this.#seq = Math.max(this.#seq, seq);
    this.#lastMessageId = Math.max(this.#lastMessageId, ...messages.map(({ message }) => message.id));
    this.#updatedAt = this.#time();
    return { outcome: "written" };
  }

  #time(): string {
    return new Date(this.#world.now).toISOString();
  }
}

function attempt<T>(execute: () => T): { value: T } | { error: unknown } {
  try {
    return { value: execute() };
  } catch (error) {
    return { error };
  }
}
