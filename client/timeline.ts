import type { Conversation, Message, Participant, Reaction } from "../protocol/entities.ts";
import type { DurableEvent, LiveEvent, Ready } from "../protocol/frames.ts";

type ReactionUpdated = Extract<DurableEvent, { type: "reaction.updated" }>;

/**
 * What a client knows of a conversation at one `seq`. `messages` are contiguous by id and end at
 * `last_message_id`; what comes before the first of them is not loaded.
 */
export interface Timeline {
  /** Empty before the first sync. */
  user_id: string;
  /** null before the first sync. */
  epoch: string | null;
  seq: number;
  conversation: Conversation | null;
  participants: readonly Participant[];
  messages: readonly Message[];
  has_older: boolean;
  last_message_id: number;
  /**
   * While an older page is on its way: changes of messages that the page may hold in a state before them, in order.
   * null otherwise.
   */
  newer_than_page: ReadonlyArray<Message | ReactionUpdated> | null;
}

export const EMPTY_TIMELINE: Timeline = {
  user_id: "",
  epoch: null,
  seq: 0,
  conversation: null,
  participants: [],
  messages: [],
  has_older: false,
  last_message_id: 0,
  newer_than_page: null,
};

/** What an event or a sync did to a timeline. */
export type Applied =
  | { outcome: "applied"; timeline: Timeline }
  /** Known already. */
  | { outcome: "known" }
  /** Something before it is missing: a resume brings it. */
  | { outcome: "gap" }
  /** Messages would not be contiguous although no event is missing: only a reset helps. */
  | { outcome: "hole" };

/** Id of the first loaded message, or the one that comes next if none is loaded. Older pages end before it. */
export function firstId({ messages, last_message_id }: Timeline): number {
  return messages[0]?.id ?? last_message_id + 1;
}

/**
 * Takes over everything between `ready` and `synced` at once. Replayed events tell current states only, so
 * their messages need not come in id order, and a part of them may not be contiguous.
 */
export function applySync(timeline: Timeline, ready: Ready, events: readonly DurableEvent[]): Applied {
  if (ready.resume === "complete" && ready.epoch !== timeline.epoch) return { outcome: "hole" };
  const replayed = events.filter(({ seq }) => seq <= ready.seq);
  const base = ready.resume === "reset" ? startOver(ready) : timeline;
  const merged = mergeMessages(base, replayed.flatMap(messageOf));
  if (!merged || merged.last_message_id !== ready.last_message_id) return { outcome: "hole" };

  // `ready` speaks of the moment at its seq, so replayed changes of title and participants are in it.
  let next: Timeline = {
    ...merged,
    user_id: ready.user_id,
    epoch: ready.epoch,
    seq: ready.seq,
    conversation: ready.conversation,
    participants: ready.participants,
  };
  for (const event of events) {
    const applied = applyEvent(next, event);
    if (applied.outcome === "applied") next = applied.timeline;
    else if (applied.outcome !== "known") return applied;
  }
  return { outcome: "applied", timeline: next };
}

/** Applies one live event. */
export function applyEvent(timeline: Timeline, event: DurableEvent): Applied {
  if (event.seq <= timeline.seq) return { outcome: "known" };
  if (event.seq !== timeline.seq + 1) return { outcome: "gap" };
  const merged =
    event.type === "reaction.updated"
      ? mergeReaction(timeline, event)
      : mergeMessages(timeline, messageOf(event));
  if (!merged) return { outcome: "hole" };
  return {
    outcome: "applied",
    timeline: {
      ...merged,
      seq: event.seq,
      conversation: nextConversation(timeline, event),
      participants: nextParticipants(timeline.participants, event),
    },
  };
}

/** Applies what has no `seq`: how far somebody has read, and who is there. */
export function applyLive(timeline: Timeline, event: LiveEvent): Timeline {
  if (event.type === "user.typing") return timeline;
  const { participants, user_id } = timeline;
  const known = participants.find((participant) => participant.user_id === event.user_id);
  if (!known) return timeline;
  if (event.type === "presence.updated") {
    const { online, last_seen_at } = event;
    return { ...timeline, participants: replaced(participants, { ...known, online, last_seen_at }) };
  }
  const next = { ...timeline, participants: readTo(participants, event.user_id, event.last_read_id, 0) };
  return event.user_id === user_id ? { ...next, conversation: readByMe(next, event.last_read_id) } : next;
}

/** Marks that the page before the first message has been asked for. */
export function beginOlder(timeline: Timeline): Timeline {
  return { ...timeline, newer_than_page: [] };
}

/** Marks that no older page will come. */
export function abandonOlder(timeline: Timeline): Timeline {
  return timeline.newer_than_page === null ? timeline : { ...timeline, newer_than_page: null };
}

/**
 * Puts an older page in front. A page asked for before a reset is left out: it may not reach the list.
 *
 * @param page ids ascending, ending right before `firstId`
 */
export function applyOlder(
  timeline: Timeline,
  page: { data: readonly Message[]; has_more: boolean },
): Timeline {
  if (timeline.newer_than_page === null) return timeline;
  const run = contiguousEnd(page.data);
  if (run.length > 0 && run.at(-1)?.id !== firstId(timeline) - 1) return abandonOlder(timeline);
  const start = run[0]?.id ?? 0;
  const messages = [...run, ...timeline.messages];
  for (const change of timeline.newer_than_page) {
    if ("type" in change && change.type === "reaction.updated") {
      applyReaction(messages, change.message_id - start, change);
    } else replaceOlder(messages, change.id - start, change);
  }
  return {
    ...timeline,
    messages,
    has_older: run.length < page.data.length || page.has_more,
    newer_than_page: null,
  };
}

/** Messages of `after` that came behind the end of `before`; none if the two cannot be compared. */
export function messagesSince(before: Timeline, after: Timeline): readonly Message[] {
  if (before.epoch === null || before.epoch !== after.epoch) return [];
  const count = after.last_message_id - before.last_message_id;
  return count > 0 ? after.messages.slice(-count) : [];
}

function startOver(ready: Ready): Timeline {
  const messages = contiguousEnd(ready.messages ?? []);
  return {
    ...EMPTY_TIMELINE,
    messages,
    has_older: (ready.has_more ?? false) || messages.length < (ready.messages?.length ?? 0),
    last_message_id: messages.at(-1)?.id ?? ready.last_message_id,
  };
}

function contiguousEnd(messages: readonly Message[]): readonly Message[] {
  let start = messages.length - 1;
  while (start > 0 && messages[start - 1]?.id === (messages[start]?.id ?? 0) - 1) start -= 1;
  return start <= 0 ? messages : messages.slice(start);
}

function messageOf(event: DurableEvent): Message[] {
  return "message" in event ? [event.message] : [];
}

/** Puts each message in its place; null if that would leave a hole. Those before the first are left out. */
function mergeMessages(timeline: Timeline, incoming: readonly Message[]): Timeline | null {
  if (incoming.length === 0) return timeline;
  const first = firstId(timeline);
  const messages = [...timeline.messages];
  const added: Message[] = [];
  const below: Message[] = [];
  for (const message of incoming) {
    if (message.id < first) below.push(message);
    else if (message.id > timeline.last_message_id) added.push(message);
    else replaceOlder(messages, message.id - first, message);
  }
  added.sort((a, b) => a.id - b.id || a.seq - b.seq);
  let last = timeline.last_message_id;
  for (const message of added) {
    if (message.id === last) messages[messages.length - 1] = message;
    else if (message.id === last + 1) messages.push(message);
    else return null;
    last = message.id;
  }
  return {
    ...timeline,
    messages,
    last_message_id: last,
    newer_than_page: timeline.newer_than_page && [...timeline.newer_than_page, ...below],
  };
}

/** Gives a loaded message the reaction, or takes it; one that may be in a page to come waits for it. */
function mergeReaction(timeline: Timeline, event: ReactionUpdated): Timeline {
  const index = event.message_id - firstId(timeline);
  if (index < 0) {
    const waiting = timeline.newer_than_page && [...timeline.newer_than_page, event];
    return { ...timeline, newer_than_page: waiting };
  }
  const messages = [...timeline.messages];
  applyReaction(messages, index, event);
  return { ...timeline, messages };
}

function applyReaction(messages: Message[], index: number, event: ReactionUpdated): void {
  const known = messages[index];
  if (known) messages[index] = withReaction(known, event);
}

/** The message with the reaction given or taken back; the same one if it has that already. */
export function withReaction(message: Message, event: ReactionUpdated): Message {
  if (message.seq >= event.seq) return message;
  return { ...message, seq: event.seq, reactions: react(message.reactions, event) };
}

/** The reactions of a message after one user gave an emoji or took it back, as the service keeps them. */
function react(
  reactions: readonly Reaction[],
  { emoji, user_id: userId, added }: ReactionUpdated,
): Reaction[] {
  const known = reactions.find((reaction) => reaction.emoji === emoji);
  const others = known?.user_ids.filter((id) => id !== userId) ?? [];
  const userIds = added ? [...others, userId] : others;
  const changed = { emoji, count: userIds.length, user_ids: userIds };
  return known
    ? reactions.flatMap((reaction) => (reaction !== known ? reaction : userIds.length > 0 ? changed : []))
    : [...reactions, ...(added ? [changed] : [])];
}

/** A page may have been read after an event that is still to come, so the greater seq wins. */
function replaceOlder(messages: Message[], index: number, message: Message): void {
  const known = messages[index];
  if (known && known.seq < message.seq) messages[index] = message;
}

/** Keeps counts as the server would count them at this event. */
function nextConversation({ conversation, participants, user_id }: Timeline, event: DurableEvent) {
  if (!conversation) return null;
  const { me } = conversation;
  switch (event.type) {
    case "message.created": {
      const { message } = event;
      const isMine = message.type === "user" && message.sender_id === user_id;
      const last = { last_message_id: message.id, last_message: message, updated_at: message.created_at };
      if (isMine)
        return { ...conversation, ...last, me: { ...me, last_read_id: message.id, unread_count: 0 } };
      const unread = me.unread_count + (countsAsUnread(message, user_id, me.last_read_id) ? 1 : 0);
      return { ...conversation, ...last, me: { ...me, unread_count: unread } };
    }
    case "message.updated":
      return withLastMessage(conversation, event.message);
    case "reaction.updated": {
      const last = conversation.last_message ? [conversation.last_message] : [];
      if (last[0]?.id === event.message_id) applyReaction(last, 0, event);
      return { ...conversation, last_message: last[0] ?? null };
    }
    case "message.deleted": {
      const wasUnread = countsAsUnread({ ...event.message, deleted_at: null }, user_id, me.last_read_id);
      const unread = Math.max(0, me.unread_count - (wasUnread ? 1 : 0));
      return { ...withLastMessage(conversation, event.message), me: { ...me, unread_count: unread } };
    }
    case "conversation.updated":
      return { ...conversation, ...event.conversation };
    case "conversation.participant_added":
    case "conversation.participant_updated":
    case "conversation.participant_removed": {
      const count = nextParticipants(participants, event).length;
      const role =
        "participant" in event && event.participant.user_id === user_id ? event.participant.role : me.role;
      return { ...conversation, participant_count: count, me: { ...me, role } };
    }
    case "conversation.deleted":
      return conversation;
  }
}

function countsAsUnread(message: Message, userId: string, lastReadId: number): boolean {
  return (
    message.type === "user" &&
    message.sender_id !== userId &&
    message.deleted_at === null &&
    message.id > lastReadId
  );
}

function withLastMessage(conversation: Conversation, message: Message): Conversation {
  return message.id === conversation.last_message_id
    ? { ...conversation, last_message: message }
    : conversation;
}

function nextParticipants(participants: readonly Participant[], event: DurableEvent): readonly Participant[] {
  switch (event.type) {
    case "message.created": {
      const { id, sender_id, type } = event.message;
      // Of 0 it is not known whether they tell how far they read.
      return type === "user" ? readTo(participants, sender_id, id, 1) : participants;
    }
    case "conversation.participant_added":
    case "conversation.participant_updated": {
      const { participant } = event;
      const isKnown = participants.some(({ user_id }) => user_id === participant.user_id);
      return isKnown ? replaced(participants, participant) : [...participants, participant];
    }
    case "conversation.participant_removed":
      return participants.filter(({ user_id }) => user_id !== event.user_id);
    default:
      return participants;
  }
}

const replaced = (participants: readonly Participant[], participant: Participant): readonly Participant[] =>
  participants.map((known) => (known.user_id === participant.user_id ? participant : known));

/** A position only rises, and here only from where it was at `from` or beyond. */
function readTo(
  participants: readonly Participant[],
  userId: string,
  id: number,
  from: number,
): readonly Participant[] {
  const known = participants.find(({ user_id }) => user_id === userId);
  if (!known || known.last_read_id < from || known.last_read_id >= id) return participants;
  return replaced(participants, { ...known, last_read_id: id });
}

/** Counts what is left where all of it is loaded; otherwise the count stays until the service tells it. */
function readByMe(timeline: Timeline, id: number): Conversation | null {
  const { conversation, messages, user_id } = timeline;
  if (!conversation || id <= conversation.me.last_read_id) return conversation;
  const unread =
    firstId(timeline) <= id + 1
      ? messages.filter((message) => countsAsUnread(message, user_id, id)).length
      : conversation.me.unread_count;
  return { ...conversation, me: { ...conversation.me, last_read_id: id, unread_count: unread } };
}
