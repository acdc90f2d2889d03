import type { Conversation } from "../protocol/entities.ts";
import type { InboxEvent } from "../protocol/frames.ts";
import type { PresenceFact } from "./presence.ts";

/** What an inbox knows of one of its conversations. */
export interface Followed {
  /** null while only Postgres has spoken of it. */
  epoch: string | null;
  seq: number;
  lastReadId: number;
  unreadCount: number;
  /** Whether clients are known to know it. */
  isTold: boolean;
}

/** Of a conversation of which nothing is known. */
export const UNKNOWN: Followed = { epoch: null, seq: 0, lastReadId: 0, unreadCount: 0, isTold: false };

type Counts = Pick<Followed, "seq" | "lastReadId" | "unreadCount">;

/** The state of a conversation at one moment, as its object tells it, or Postgres where no object holds it. */
export interface ConversationState {
  epoch: string | null;
  seq: number;
  conversation: Conversation;
}

/**
 * What a user's inbox knows of their conversations and of the people in them. Each thing that is told replaces what
 * was known before it, unless it is older: told late or twice, nothing changes. Nothing is called from here.
 */
export class InboxState {
  readonly #followed = new Map<string, Followed>();
  readonly #presence = new Map<string, PresenceFact>();
  /** Conversations that are too many to follow, and what is unread in each; null when only the sum was kept. */
  #others: ReadonlyMap<string, number> | null = new Map();
  #othersUnread = 0;
  /** Who was said to be online since {@link beginRound}. */
  #heard = new Set<string>();
  /** Whether clients may have been told of people whom this instance never heard of. */
  #isAwakened = false;

  get size(): number {
    return this.#followed.size;
  }

  get ids(): string[] {
    return [...this.#followed.keys()];
  }

  get total(): number {
    let total = this.#othersUnread;
    for (const { unreadCount } of this.#followed.values()) total += unreadCount;
    return total;
  }

  get(id: string): Followed | undefined {
    return this.#followed.get(id);
  }

  /** Conversations that are too many to follow. What is followed nevertheless is not counted twice. */
  setOthers(unread: Iterable<readonly [id: string, unreadCount: number]>): void {
    this.#others = new Map([...unread].filter(([id]) => !this.#followed.has(id)));
    this.#othersUnread = [...this.#others.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What is kept of the others: the sum; null when there are none. */
  get othersUnread(): number | null {
    return this.#others?.size === 0 ? null : this.#othersUnread;
  }

  recallOthers(unread: number | null): void {
    this.#others = unread === null ? new Map() : null;
    this.#othersUnread = unread ?? 0;
  }

  /** Whether the conversation can be followed, or cease to exist, without the total becoming wrong. */
  isAccountable(id: string): boolean {
    return this.#followed.has(id) || this.#others !== null;
  }

  /** What Postgres says of a conversation; nothing if something is known of it already. */
  recall(id: string, counts: Counts, isTold: boolean): void {
    if (!this.#followed.has(id)) this.#follow(id, { epoch: null, ...counts, isTold });
  }

  /** Whether clients know everything that is known here. */
  get isTold(): boolean {
    for (const { isTold } of this.#followed.values()) if (!isTold) return false;
    return true;
  }

  /** Whether this is what clients were told of the conversation. */
  knows(id: string, { seq, lastReadId, unreadCount }: Counts): boolean {
    const known = this.#followed.get(id);
    if (!known?.isTold) return false;
    return known.seq === seq && known.lastReadId === lastReadId && known.unreadCount === unreadCount;
  }

  /**
   * Whether a notice may be of storage that was lost since, or the first after such a loss: nobody but the conversation
   * itself can say which, when it is asked.
   */
  isDoubtful({ epoch, seq, conversation }: ConversationState): boolean {
    const known = this.#followed.get(conversation.id);
    if (!known || known.epoch === epoch) return false;
    return known.epoch !== null || compare(toFollowed({ epoch, seq, conversation }), known) < 0;
  }

  /**
   * What became different, as the user's clients are told. Nothing for what was known, or is older. Another epoch than
   * the known one is believed: it must not be a notice that {@link isDoubtful}.
   */
  tell(state: ConversationState, userId: string): InboxEvent[] {
    const { conversation } = state;
    const { id } = conversation;
    const known = this.#followed.get(id);
    const told = toFollowed(state);
    const isSameLife = told.epoch === null || told.epoch === known?.epoch;
    const order = known ? compare(told, known) : 1;
    if (order < 0 && isSameLife) return [];
    const before = this.total;
    if (order !== 0 || !isSameLife || !known?.isTold) this.#follow(id, told);
    if (order === 0 && known?.isTold && (isSameLife || known.epoch === null)) return [];
    // Clients hold what has less for late, unless the conversation is new to them.
    if (order < 0) {
      return [
        { type: "conversation.removed", conversation_id: id },
        { type: "conversation.added", conversation },
        ...this.#totalSince(before),
      ];
    }
    const events: InboxEvent[] = [
      { type: known?.isTold ? "conversation.updated" : "conversation.added", conversation },
    ];
    if (known && known.lastReadId !== told.lastReadId) {
      events.push({
        type: "read.updated",
        conversation_id: id,
        user_id: userId,
        last_read_id: told.lastReadId,
      });
    }
    return [...events, ...this.#totalSince(before)];
  }

  /** The user takes part no more. */
  remove(id: string): InboxEvent[] {
    const before = this.total;
    const isAnother = this.#others === null || this.#others.has(id);
    this.#dropOther(id);
    if (!this.#followed.delete(id) && !isAnother) return [];
    return [{ type: "conversation.removed", conversation_id: id }, ...this.#totalSince(before)];
  }

  /** Who came or went. */
  tellPresence(facts: readonly PresenceFact[]): InboxEvent[] {
    return facts.flatMap((fact): InboxEvent[] => {
      if (fact.online) this.#heard.add(fact.user_id);
      const known = this.#presence.get(fact.user_id);
      // Several conversations say the same, and not all of them are equally quick.
      if (known && fact.turn < known.turn) return [];
      this.#presence.set(fact.user_id, fact);
      const { turn: _, ...presence } = fact;
      // Whoever was never spoken of is offline.
      const isSame = known
        ? known.online === fact.online && known.last_seen_at === fact.last_seen_at
        : !fact.online && !this.#isAwakened;
      return isSame ? [] : [{ type: "presence.updated", ...presence }];
    });
  }

  /** All conversations are about to say who is online. */
  beginRound(): void {
    this.#heard = new Set();
  }

  /** They have: whoever is known to be online and was not spoken of shares no small conversation any more. */
  endRound(): InboxEvent[] {
    const lost = [...this.#presence.values()].filter(
      ({ user_id, online }) => online && !this.#heard.has(user_id),
    );
    for (const { user_id } of lost) this.#presence.delete(user_id);
    return lost.map(({ turn: _, ...fact }) => ({ type: "presence.updated", ...fact, online: false }));
  }

  /** Those of whom it is known that they are online. */
  online(): InboxEvent[] {
    return [...this.#presence.values()].flatMap(({ turn: _, ...fact }): InboxEvent[] =>
      fact.online ? [{ type: "presence.updated", ...fact }] : [],
    );
  }

  clear(): void {
    this.#followed.clear();
    this.#presence.clear();
    this.setOthers([]);
    this.#isAwakened = false;
  }

  /** Something of this was told to clients by an earlier instance. */
  awake(): void {
    this.#isAwakened = true;
  }

  #follow(id: string, followed: Followed): void {
    this.#dropOther(id);
    this.#followed.set(id, followed);
  }

  #dropOther(id: string): void {
    if (!this.#others?.has(id)) return;
    this.setOthers([...this.#others].filter(([other]) => other !== id));
  }

  #totalSince(before: number): InboxEvent[] {
    const { total } = this;
    return total === before ? [] : [{ type: "unread.updated", total }];
  }
}

const toFollowed = ({ epoch, seq, conversation: { me } }: ConversationState): Followed => ({
  epoch,
  seq,
  lastReadId: me.last_read_id,
  unreadCount: me.unread_count,
  isTold: true,
});

/**
 * Above 0 for what is newer, 0 for the same. In one epoch, `seq` and read positions only rise; Postgres, which knows no
 * epoch, is never ahead of the object.
 */
function compare(told: Followed, known: Followed): number {
  if (told.seq !== known.seq) return told.seq - known.seq;
  if (told.lastReadId !== known.lastReadId) return told.lastReadId - known.lastReadId;
  return told.unreadCount === known.unreadCount ? 0 : 1;
}

/** What is kept of an inbox with its sockets while it sleeps: four bytes a number. */
export interface Keepsake {
  /** Which list of conversations the numbers belong to. */
  list: number;
  /** Of each conversation of the list in turn: what is unread, and how far was read. */
  counts: Uint32Array;
  /** Unread messages of all others; null when there are none. */
  others: number | null;
}

/** What fits into the 16 KiB of an attachment, with the rest of it. */
const KEPT_CONVERSATIONS = 1_200;

/** What is to be kept now; undefined for a list that is too long, or not told, which Postgres is then asked for. */
export function keepsakeOf(state: InboxState, ids: readonly string[], list: number): Keepsake | undefined {
  if (ids.length > KEPT_CONVERSATIONS || !state.isTold) return undefined;
  const counts = new Uint32Array(3 * ids.length);
  ids.forEach((id, index) => {
    const { seq, lastReadId, unreadCount } = state.get(id) ?? UNKNOWN;
    counts.set([seq, lastReadId, unreadCount], 3 * index);
  });
  return { list, counts, others: state.othersUnread };
}

/** Takes back what was kept. False when it belongs to another list. */
export function restoreKeepsake(
  state: InboxState,
  ids: readonly string[],
  list: number,
  keepsake: Keepsake | null,
): boolean {
  if (keepsake?.list !== list || keepsake.counts.length !== 3 * ids.length) return false;
  state.recallOthers(keepsake.others);
  ids.forEach((id, index) => {
    const [seq = 0, lastReadId = 0, unreadCount = 0] = keepsake.counts.subarray(3 * index, 3 * index + 3);
    state.recall(id, { seq, lastReadId, unreadCount }, true);
  });
  return true;
}
