import type { SnapshotParticipant } from "../db/conversations.ts";
import type { Conversation, Message, Participant } from "../protocol/entities.ts";
import type { DurableEvent, Ready } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Position } from "./commands.ts";
import type { Log } from "./log.ts";
import type { Mirror, MirrorChange, MirroredParticipant } from "./mirror.ts";
import type { PresenceFact } from "./presence.ts";

/** A conversation at one moment, to be shown. Nothing here writes. */
export interface View {
  log: Log;
  mirror: Mirror;
  position: Position;
  /** Whether a user is there, as others may know it. */
  presence: (userId: string) => PresenceFact;
}

/** Changes after `since`, by seq, in their current state only; null when they cannot be told completely. */
export function changesSince(
  view: View,
  member: MirroredParticipant,
  since: number | undefined,
  epoch: string | undefined,
): DurableEvent[] | null {
  const { log, mirror, position } = view;
  const { state } = mirror;
  if (!state || since === undefined || epoch !== state.epoch) return null;
  if (since > position.seq || since < state.baseSeq || position.seq - since > LIMITS.resumeChanges)
    return null;
  // Who left and came back lacks what lies between, and what they had before is not theirs any more.
  if (member.visible_from_id > 1 && since < member.joinedSeq) return null;
  const messages = log.changedSince(since, position.seq, LIMITS.resumeCharacters);
  if (!messages) return null;
  const visible = messages.filter(({ message }) => message.id >= member.visible_from_id);
  const events: DurableEvent[] = visible.map(({ message, createdSeq }) => {
    const type =
      createdSeq > since
        ? "message.created"
        : message.deleted_at === null
          ? "message.updated"
          : "message.deleted";
    return { type, seq: message.seq, message };
  });
  if (state.seq > since) events.push(mirrorEvent(view, { type: "conversation" }, state.seq));
  for (const participant of mirror.participants.values()) {
    if (participant.seq <= since) continue;
    const change: MirrorChange = participant.removed
      ? { type: "removed", userId: participant.user_id }
      : { type: participant.joinedSeq > since ? "added" : "updated", participant };
    events.push(mirrorEvent(view, change, participant.seq, member.user_id));
  }
  return events.sort((a, b) => a.seq - b.seq);
}

/** The latest page of what the log holds, and whether there are older messages anywhere that the participant may see. */
export function latestPage(
  { log, mirror, position }: View,
  { visible_from_id: from }: MirroredParticipant,
): { messages: Message[]; hasMore: boolean } {
  const floor = Math.max(from, mirror.state?.floor ?? 1);
  const messages = log.pageBefore(position.head + 1, floor, LIMITS.pageSizeDefault);
  return { messages, hasMore: (messages[0]?.id ?? position.head + 1) > from };
}

/**
 * The events as somebody gets them who sees the conversation from `fromId` on: a change of an older message keeps its
 * seq, and says nothing but what everybody knows.
 */
export function eventsFrom(view: View, events: readonly DurableEvent[], fromId: number): DurableEvent[] {
  return events.map((event) => {
    const id = "message" in event ? event.message.id : "message_id" in event ? event.message_id : null;
    return id === null || id >= fromId ? event : mirrorEvent(view, { type: "conversation" }, event.seq);
  });
}

/**
 * A change of the conversation or its participants as the event that tells of it.
 *
 * @param viewerId who is told; null for what all the others are
 */
export function mirrorEvent(
  view: View,
  change: MirrorChange,
  seq: number,
  viewerId: string | null = null,
): DurableEvent {
  switch (change.type) {
    case "conversation": {
      const { id = "", title = null, history_visibility = "beginning" } = view.mirror.state ?? {};
      return {
        type: "conversation.updated",
        seq,
        conversation: {
          id,
          title,
          updated_at: updatedAt(view, view.log.get(view.position.head)),
          participant_count: view.mirror.members().length,
          history_visibility,
        },
      };
    }
    case "removed":
      return { type: "conversation.participant_removed", seq, user_id: change.userId };
    case "added":
    case "updated": {
      const participant = toParticipant(view, change.participant, viewerId);
      return change.type === "added"
        ? { type: "conversation.participant_added", seq, participant }
        : { type: "conversation.participant_updated", seq, participant };
    }
  }
}

/** The conversation as one of its participants sees it. */
export function conversationFor(view: View, userId: string): Conversation {
  const { log, mirror, position } = view;
  const { state } = mirror;
  if (!state) throw new Error("A conversation that is not loaded cannot be shown.");
  const member = mirror.member(userId);
  const lastReadId = member?.last_read_id ?? 0;
  const newest = log.get(position.head);
  const isHeadVisible = position.head >= (member?.visible_from_id ?? 1);
  return {
    id: state.id,
    type: state.type,
    title: state.title,
    created_by: state.created_by,
    created_at: state.created_at,
    updated_at: updatedAt(view, newest),
    last_message_id: position.head,
    last_message: isHeadVisible ? newest : null,
    participant_count: mirror.members().length,
    history_visibility: state.history_visibility,
    me: {
      role: member?.role ?? "member",
      last_read_id: lastReadId,
      // Sending reads, so nothing of one's own lies behind it.
      unread_count: log.countFrom(lastReadId, position.head),
      muted_until: null,
    },
  };
}

/** A mirrored participant as somebody sees them: how far they have read only if they give receipts, or to themselves. */
export function toParticipant(
  view: View,
  { user_id, role, joined_at, last_read_id, settings, user }: SnapshotParticipant,
  viewerId: string | null,
): Participant {
  const { online, last_seen_at } = view.presence(user_id);
  const isShown = settings.read_receipts || user_id === viewerId;
  return { user_id, role, joined_at, last_read_id: isShown ? last_read_id : 0, online, last_seen_at, user };
}

/** Participants as JSON, by what they are a text of: whoever changes is another object in the mirror. */
const participantTexts = new WeakMap<SnapshotParticipant, { of: string; text: string }>();

/**
 * `ready` as a frame. Its participants are the bulk of it and the same for everybody, so each is serialised once and
 * not for each of a thousand who connect at once.
 */
export function readyFrame(view: View, ready: Omit<Ready, "participants">): string {
  const texts = view.mirror.members().map((member) => {
    if (member.user_id === ready.user_id) return JSON.stringify(toParticipant(view, member, ready.user_id));
    const { online, last_seen_at } = view.presence(member.user_id);
    const of = `${online} ${last_seen_at}`;
    const known = participantTexts.get(member);
    if (known?.of === of) return known.text;
    const text = JSON.stringify(toParticipant(view, member, null));
    participantTexts.set(member, { of, text });
    return text;
  });
  return `${JSON.stringify(ready).slice(0, -1)},"participants":[${texts.join(",")}]}`;
}

/** Time of the newest activity. */
function updatedAt({ mirror }: View, newest: Message | null): string {
  const times = [mirror.state?.updated_at, newest?.created_at].flatMap((time) => time ?? []);
  return new Date(Math.max(...times.map(Date.parse))).toISOString();
}
